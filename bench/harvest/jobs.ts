import { backtestJobs } from "../../src/backtest/backtest-jobs.ts";
import { choosePolicy } from "../../src/backtest/policies/registry.ts";
import { replayJobs } from "../../src/backtest/replay/job-replay.ts";
import { defaultJobRules } from "../../src/backtest/rules.ts";
import { clusterSizes } from "../../src/backtest/score/cluster-sizes.ts";
import { readJobTrace, type JobTrace } from "../../src/backtest/trace/job-trace.ts";
import { bootstrap, ratioOf } from "../harness/bootstrap.ts";
import { held, offBy, type Figures, type Section } from "./figures.ts";

const dayS = 86_400;
const shares = [0.25, 0.1, 0.05, 0.01];
const loads = [0.5, 0.8];
/** In the last weeks at this load owners meet less than they allow where all that idles is lent. */
const unspent = "jobs at load 0.8 set 0.25";
const context = { meetingsPerGpuDayMax: null, seed: 1 };

/** Of a pool and a day: GPUs that owners took, and those of them with a guest on. */
interface JobBlock {
  readonly taken: number;
  readonly met: number;
}

const metShare = ratioOf<JobBlock>(
  ({ met }) => met,
  ({ taken }) => taken,
);

/** What owners' jobs wait beside guests, and what that gains; whether the owner's number is held. */
export const jobs: Section = {
  trace: "itp.jobs.csv.gz",
  targets: Object.fromEntries(
    loads
      .flatMap((load) => shares.map((share) => nameOf(load, share)))
      .filter((name) => name !== unspent)
      .map((name) => [`${name} offBy`, held]),
  ),
  async measure(path) {
    const trace = await readJobTrace(path);
    return { ...gainFigures(trace), ...heldFigures(trace) };
  },
};

/** With the share of taken GPUs that may have a guest on, and without. */
function gainFigures(trace: JobTrace): Figures {
  const limits = { ...context, rules: defaultJobRules, waitedShareMax: 0.05 };
  const { results } = backtestJobs(trace, ["learned", "lend-all"], limits);
  return Object.fromEntries(
    results.flatMap(({ policy, takes, tally, excess }) => {
      const name = `jobs ${policy} ${takes}`;
      return [
        [`${name} lent`, tally.lentS / tally.idleS],
        [`${name} useful`, tally.usefulS / tally.idleS],
        [`${name} jobsMet`, tally.metJobs / trace.submitS.length],
        [`${name} excessWaitMeanS`, excess.meanS],
        [`${name} excessWaitMostS`, excess.mostS],
        [`${name} evictionsPerHour`, tally.evictions / (tally.lentS / 3_600)],
        [`${name} lostShare`, tally.lostS / tally.lentS],
      ];
    }),
  );
}

/** Owners take the longest idle; what chance makes of it, by days of pools. */
function heldFigures(trace: JobTrace): Figures {
  return Object.fromEntries(
    loads.flatMap((load) =>
      shares.flatMap((share) => {
        const { lent, blocks } = play(trace, load, share);
        const { low, high } = bootstrap(blocks, metShare);
        const name = nameOf(load, share);
        return [
          [`${name} met`, metShare(blocks)],
          [`${name} metLow`, low],
          [`${name} metHigh`, high],
          [`${name} offBy`, offBy(metShare(blocks), share)],
          [`${name} lent`, lent],
        ];
      }),
    ),
  );
}

function nameOf(load: number, share: number): string {
  return `jobs at load ${load} set ${share}`;
}

function play(trace: JobTrace, load: number, waitedShareMax: number): { lent: number; blocks: JobBlock[] } {
  const rules = { ...defaultJobRules, load };
  const { make } = choosePolicy("learned", "pools");
  const learned = make!(null, { ...context, rules, waitedShareMax });
  const blocks = new Map<string, JobBlock>();
  const watched: typeof learned = {
    decide(moment) {
      for (const { pool, taken, evicted } of moment.samples) {
        const name = `${pool} ${Math.floor(moment.timeS / dayS)}`;
        const block = blocks.get(name) ?? { taken: 0, met: 0 };
        blocks.set(name, { taken: block.taken + (taken ?? 0), met: block.met + evicted });
      }
      return learned.decide(moment);
    },
  };
  const sizes = clusterSizes(trace, load).map(({ gpus }) => gpus);
  const { lentS, idleS } = replayJobs(trace, sizes, rules, "longest_idle", watched, () => {});
  return { lent: lentS / idleS, blocks: [...blocks.values()] };
}
