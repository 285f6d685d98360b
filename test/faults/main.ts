// The matrix of real faults: every row a fault, every column the state of the leases when it strikes.
//   npm run test:faults -- [--only ROW] [--repeat N] [--devices N] [--parallel N] [--short] [--json]
import { parseArgs } from "node:util";
import { hasViolations, playRow, roundsOf, type RowResult } from "./play.ts";
import { rows } from "./rows.ts";
import { renderMatrix, wrongs } from "./table.ts";

const { values } = parseArgs({
  options: {
    /** Rows whose name holds this text; may be given several times. */
    only: { type: "string", multiple: true, default: [] },
    repeat: { type: "string", default: "1" },
    devices: { type: "string", default: "6" },
    parallel: { type: "string", default: "2" },
    /** All states at once on each row's stack: one round instead of five. */
    short: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const [repeat, devices, parallel] = [values.repeat, values.devices, values.parallel].map(Number) as [
  number,
  number,
  number,
];
const chosen = rows.filter(
  ({ name }) => values.only.length === 0 || values.only.some((part) => name.includes(part)),
);
if (chosen.length === 0) {
  process.stderr.write(`no row is named so; there are:\n${rows.map(({ name }) => `  ${name}`).join("\n")}\n`);
  process.exit(2);
}
const rounds = Array.from({ length: repeat }, () => roundsOf(devices, values.short)).flat();

const startedMs = performance.now();
const roundsAll = chosen.length * rounds.length;
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
      const result = await playRow(row, rounds, () => {
        own += 1;
        roundsDone += 1;
        progress(name);
      });
      roundsDone += rounds.length - own;
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
