import type { JobBacktest, JobResult } from "../backtest/backtest-jobs.ts";
import type { JobRules } from "../backtest/rules.ts";
import { hours, ratio, share } from "../backtest/report/policy-tables.ts";
import type { Colors } from "./cli.ts";
import { table } from "./table.ts";

const hourS = 3_600;

/** What a backtest of owners' jobs found, as JSON and as text; docs/backtest.md says what each figure means. */

export function jobsJson({ clusters, jobs, waits, results }: JobBacktest, rules: JobRules) {
  return {
    shape: "jobs",
    rules,
    clusters,
    jobs,
    waits,
    policies: results.map(({ policy, takes, excess, tally }) => {
      const { idleS, lentS, usefulS, lostS, starts, handBacks, evictions, gpusTaken, metJobs } = tally;
      return {
        policy,
        takes,
        excess,
        metJobs,
        metJobShare: ratio(metJobs, jobs),
        metGpuShare: ratio(evictions, gpusTaken),
        idleS,
        lentS,
        usefulS,
        lostS,
        lentShare: ratio(lentS, idleS),
        usefulShare: ratio(usefulS, idleS),
        starts,
        handBacks,
        evictions,
        evictionsPerLentHour: ratio(evictions, lentS / hourS),
      };
    }),
  };
}

export function jobsText(paint: Colors, { clusters, jobs, waits, results }: JobBacktest): string {
  const row = ({ policy, takes, excess, tally }: JobResult) => [
    policy,
    takes.replace("_", " "),
    share(tally.lentS, tally.idleS),
    share(tally.usefulS, tally.idleS),
    (tally.evictions / (tally.lentS / hourS || Infinity)).toFixed(2),
    hours(tally.lostS),
    String(tally.starts),
    share(tally.metJobs, jobs),
    share(tally.evictions, tally.gpusTaken),
    excess.meanS.toFixed(2),
    excess.p99S.toFixed(0),
    excess.mostS.toFixed(0),
  ];
  const sizes = clusters.map(
    ({ pool, gpus, load }) => `${pool} ${gpus} GPUs at ${(100 * load).toFixed(0)} %`,
  );
  return [
    table(paint, head, results.map(row)),
    "",
    `${jobs} jobs on ${sizes.join(", ")}; without lending they wait ${waits.meanS.toFixed(0)} s on average, p99 ${waits.p99S.toFixed(0)} s`,
    `idle ${hours(results[0]?.tally.idleS ?? 0)} GPU-h`,
  ].join("\n");
}

const head = [
  "policy",
  "owners take",
  "lent of idle",
  "useful of idle",
  "evictions/lent-h",
  "lost GPU-h",
  "starts",
  "jobs met",
  "GPUs met",
  "excess wait s",
  "p99",
  "most",
];
