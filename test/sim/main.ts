import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { add, type Coverage, coverageTable } from "./coverage.ts";
import { playSeeds } from "./fleet-of-workers.ts";
import { minimise } from "./minimise.ts";
import { mutants } from "./mutants.ts";
import { type Outcome, play } from "./run.ts";
import { drawScenario } from "./scenario.ts";

const help = `npm run sim -- [--seed N] [--runs N] [--jobs N] [--json]     plays runs and checks every invariant
npm run sim -- --replay SEED [--loud]                        plays one again, and makes it as small as it gets
npm run sim -- --mutants [--only WORDS] [--runs N]           plants known bugs, each of which must be found within N runs

A run is a fleet, its owners and guests, and what goes wrong, all drawn from one seed: the production controller and
agents on a virtual clock, with a model of Redis. Exit 0: no invariant was violated; 1: the first violations are printed.
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1000" },
    jobs: { type: "string", default: String(availableParallelism()) },
    replay: { type: "string" },
    mutants: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    loud: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const failuresShown = 10;
const progressEveryMs = 5_000;

if (values.help) process.stdout.write(help);
else if (values.replay !== undefined) await replay(Number(values.replay));
else if (values.mutants) await findMutants();
else await playAll();

async function playAll(): Promise<void> {
  const [seed, runs, jobs] = [values.seed, values.runs, values.jobs].map(Number) as [number, number, number];
  const beganMs = performance.now();
  const failed: Outcome[] = [];
  const coverage: Coverage = {};
  let [played, guests, starts, shownMs] = [0, 0, 0, beganMs];
  await playSeeds({ seed, runs, jobs }, (outcome) => {
    played += 1;
    guests += outcome.guests;
    starts += outcome.starts;
    add(coverage, outcome.coverage);
    if (outcome.violations.length > 0) {
      failed.push(outcome);
      if (failed.length <= failuresShown) process.stderr.write(`${linesOf(outcome)}\n`);
    }
    const nowMs = performance.now();
    if (nowMs - shownMs > progressEveryMs && !values.json) {
      shownMs = nowMs;
      const leftS = (((nowMs - beganMs) / played) * (runs - played)) / 1_000;
      process.stderr.write(
        `${played}/${runs} runs, ${failed.length} with violations, ${leftS.toFixed(0)} s left\n`,
      );
    }
    return "go on";
  });
  const runsPerS = (played / (performance.now() - beganMs)) * 1_000;
  if (values.json) {
    const metrics = { runs: played, violations: failed.length, guests, attempts: starts, runsPerS };
    process.stdout.write(`${JSON.stringify({ sim: { seed, runs }, metrics, coverage })}\n`);
  } else {
    process.stdout.write(`${coverageTable(coverage)}\n\n`);
    process.stdout.write(
      `${played} runs (SEED=${seed}…${seed + runs - 1}), ${guests} guests, ${starts} attempts, ${runsPerS.toFixed(1)} runs/s, ${failed.length} with violations\n`,
    );
  }
  if (failed.length > 0) {
    const seeds = failed.map(({ seed: failing }) => failing).toSorted((a, b) => a - b);
    process.stderr.write(`violated: SEED=${seeds.join(" ")}\n`);
  }
  process.exitCode = failed.length === 0 ? 0 : 1;
}

async function findMutants(): Promise<void> {
  const [seed, runs, jobs] = [values.seed, values.runs, values.jobs].map(Number) as [number, number, number];
  const found: { name: string; breaks: string; run: number | null; by: string }[] = [];
  for (const mutant of mutants.filter((each) => each.name.includes(values.only))) {
    const shown: { run: number; by: string }[] = [];
    await playSeeds({ seed, runs, jobs, mutant }, ({ seed: played, violations }) => {
      for (const { invariant } of violations.slice(0, 1))
        shown.push({ run: played - seed + 1, by: invariant });
      return violations.length === 0 ? "go on" : "enough";
    });
    const [first] = shown.toSorted((a, b) => a.run - b.run);
    const { name, breaks } = mutant;
    found.push({ name, breaks, run: first?.run ?? null, by: first?.by ?? "" });
    if (values.json) continue;
    const told = first === undefined ? "NOT FOUND" : `run ${first.run}, by ${first.by}`;
    process.stdout.write(`${breaks.padEnd(4)} ${told.padEnd(20)} ${name}\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ sim: { seed, runs }, mutants: found })}\n`);
  if (found.some(({ run }) => run === null)) process.exitCode = 1;
}

async function replay(seed: number): Promise<void> {
  const scenario = drawScenario(seed);
  const say = values.loud ? (line: string) => process.stdout.write(`${line}\n`) : null;
  const outcome = await play(scenario, say);
  process.stdout.write(`${linesOf(outcome)}\n`);
  const [first] = outcome.violations;
  if (first === undefined) return;
  process.exitCode = 1;
  const least = await minimise(scenario, first.invariant);
  const { settings: _, ...shown } = least;
  process.stdout.write(`the least that shows it:\n${JSON.stringify(shown, null, 1)}\n`);
  process.stdout.write(`${linesOf(await play(least, say))}\n`);
}

function linesOf({ seed, hash, violations }: Outcome): string {
  const told = violations.map(
    ({ invariant, atMs, text }) => `  ${invariant} at ${atMs.toFixed(0)} ms: ${text}`,
  );
  return [`SEED=${seed} ${hash}${told.length === 0 ? " no violation" : ""}`, ...told].join("\n");
}
