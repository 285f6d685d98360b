import type { DeviceRules } from "../rules.ts";
import { endCostS, type DeviceLease, type EndCause, type LeaseWatch } from "../score/device-lease.ts";
import type { IdleRun } from "../score/idle-runs.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import { TimeBuckets } from "./time-buckets.ts";

/** So few that a report stays small, so many that a day shows its hours. */
const bucketsMax = 200;

/** What guests gained in each bucket, GPU-seconds: run time when it ran, each cost when it fell due; violations are not in it. */
export class DeviceHarvest implements LeaseWatch {
  readonly buckets: TimeBuckets;
  readonly netS: number[];
  readonly grossS: number[];
  readonly #rules: DeviceRules;

  constructor(buckets: TimeBuckets, rules: DeviceRules) {
    this.buckets = buckets;
    this.netS = buckets.zeros();
    this.grossS = buckets.zeros();
    this.#rules = rules;
  }

  ran(fromS: number, toS: number): void {
    this.buckets.spread(fromS, toS, (bucket, seconds) => {
      this.netS[bucket]! += seconds;
      this.grossS[bucket]! += seconds;
    });
  }

  ended({ beginS, runningS, resumes }: DeviceLease, cause: EndCause, atS: number): void {
    const { startS, resumeS } = this.#rules;
    const begin = this.buckets.indexOf(beginS);
    this.netS[begin]! -= startS;
    this.grossS[begin]! -= Math.min(startS, runningS);
    this.netS[this.buckets.indexOf(atS)]! -= endCostS(this.#rules, cause) + resumeS * resumes;
  }
}

export function traceBuckets(
  { timesS }: Pick<DeviceTrace, "timesS">,
  holdS: number,
  countMax = bucketsMax,
): TimeBuckets {
  return new TimeBuckets(timesS[0]!, timesS.at(-1)! + holdS, countMax);
}

/** All idle time, bucket by bucket, GPU-seconds. */
export function idleOverTime(runs: readonly (readonly IdleRun[])[], buckets: TimeBuckets): number[] {
  const idleS = buckets.zeros();
  for (const { beginS, endS } of runs.flat())
    buckets.spread(beginS, endS, (bucket, seconds) => (idleS[bucket]! += seconds));
  return idleS;
}
