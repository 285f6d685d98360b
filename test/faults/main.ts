// The matrix of real faults: every row a fault, every column the state of the leases when it strikes.
//   npm run test:faults -- [--only ROW] [--rounds N] [--devices N] [--parallel N] [--short] [--json]
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { prepareWallClocks } from "./parts/wall-clock.ts";
import { hasViolations, playRow, roundsOf, type RowResult } from "./play.ts";
import { rows } from "./rows.ts";
import { renderMatrix, wrongs } from "./table.ts";

const { values } = parseArgs({
  options: {
    /** Rows whose name holds this text; may be given several times. */
    only: { type: "string", multiple: true, default: [] },
    /** 13 devices in two rounds: each cell five times, and one six times. */
    rounds: { type: "string", default: "2" },
    devices: { type: "string", default: "13" },
    parallel: { type: "string", default: String(Math.min(4, availableParallelism())) },
    /** Each cell once: one round of six devices. */
    short: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const [rounds, devices] = values.short ? [1, 6] : [Number(values.rounds), Number(values.devices)];
const parallel = Number(values.parallel);
const chosen = rows.filter(
  ({ name }) => values.only.length === 0 || values.only.some((part) => name.includes(part)),
);
if (chosen.length === 0) {
  process.stderr.write(`no row is named so; there are:\n${rows.map(({ name }) => `  ${name}`).join("\n")}\n`);
  process.exit(2);
}
const plan = roundsOf(devices, rounds);
prepareWallClocks();

const startedMs = performance.now();
const roundsAll = chosen.length * plan.length;
let roundsDone = 0;
const progress = (row: string) => {
  const tookS = (performance.now() - startedMs) / 1_000;
  const leftS = (tookS / Math.max(1, roundsDone)) * (roundsAll - roundsDone);
  process.stderr.write(
    `${tookS.toFixed(0)} s: ${roundsDone} of ${roundsAll} rounds, ${leftS.toFixed(0)} s left (${row})\n`,
  );
};

const results: RowResult[] = [];
const waiting = [...chosen];
// What is known by then; the processes see that we are gone, and end.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    finish();
    process.exit(130);
  });
await Promise.all(
  Array.from({ length: parallel }, async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift()) {
      const { name } = row;
      let own = 0;
      const result = await playRow(row, plan, () => {
        own += 1;
        roundsDone += 1;
        progress(name);
      });
      roundsDone += plan.length - own;
      results.push(result);
      for (const wrong of wrongs(result)) process.stderr.write(`${wrong}\n`);
    }
  }),
);
finish();

/** The table of the rows so far. */
function finish(): void {
  const inOrder = chosen.flatMap(({ name }) => results.filter(({ row }) => row === name));
  const tookMs = performance.now() - startedMs;
  process.stdout.write(
    values.json ? `${JSON.stringify({ tookMs, rows: inOrder }, null, 2)}\n` : renderMatrix(inOrder, tookMs),
  );
  if (inOrder.some(hasViolations)) process.exitCode = 1;
}
