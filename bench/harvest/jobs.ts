import { backtestJobs } from "../../src/backtest/backtest-jobs.ts";
import { defaultJobRules } from "../../src/backtest/rules.ts";
import { readJobTrace } from "../../src/backtest/trace/job-trace.ts";
import type { Section } from "./figures.ts";

const waitedShareMax = 0.05;

/** What owners' jobs wait beside guests, and what that gains; with the share of arriving GPUs that may wait, and without. */
export const jobs: Section = {
  trace: "itp.jobs.csv.gz",
  targets: {},
  async measure(path) {
    const trace = await readJobTrace(path);
    const context = { rules: defaultJobRules, waitedShareMax, meetingsPerGpuDayMax: null, seed: 1 };
    const { results } = backtestJobs(trace, ["learned", "lend-all"], context);
    return Object.fromEntries(
      results.flatMap(({ policy, takes, tally, excess }) => {
        const name = `jobs ${policy} ${takes}`;
        return [
          [`${name} lent`, tally.lentS / tally.idleS],
          [`${name} jobsMet`, tally.metJobs / trace.submitS.length],
          [`${name} excessWaitMeanS`, excess.meanS],
          [`${name} excessWaitMostS`, excess.mostS],
          [`${name} evictionsPerHour`, tally.evictions / (tally.lentS / 3_600)],
          [`${name} lostShare`, tally.lostS / tally.lentS],
        ];
      }),
    );
  },
};
