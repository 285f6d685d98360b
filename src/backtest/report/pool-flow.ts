import type { PoolDecision } from "../replay/pool-replay.ts";
import type { PoolRules } from "../rules.ts";
import { expandLevels } from "../score/pool-levels.ts";
import type { PoolSeries } from "../score/pool-series.ts";
import { levelTicks } from "../score/pool-tally.ts";
import { TimeBuckets } from "./time-buckets.ts";

const bucketsMax = 200;

/** All pools over time, bucket by bucket; GPU-seconds and GPUs. Costs count when they fall due; violations are not in it. */
export interface PoolFlow {
  readonly buckets: TimeBuckets;
  readonly demandS: number[];
  readonly idleS: number[];
  readonly lentS: number[];
  readonly netS: number[];
  /** Owners' GPUs newly asked for, and those of them that met a lent one. */
  readonly arrivals: number[];
  readonly waited: number[];
}

export function poolFlow(
  all: readonly PoolSeries[],
  rules: PoolRules,
  decisions: readonly Omit<PoolDecision, "reason">[],
): PoolFlow {
  const flow = emptyFlow(all);
  const lines = Map.groupBy(decisions, ({ pool }) => pool);
  for (const series of all) addPool(flow, series, rules, lines.get(series.pool) ?? []);
  return flow;
}

function emptyFlow(all: readonly PoolSeries[]): PoolFlow {
  const fromS = Math.min(...all.map(({ timesS }) => timesS[0]!));
  const toS = Math.max(...all.map(({ timesS }) => timesS.at(-1)!));
  const buckets = new TimeBuckets(fromS, toS, bucketsMax);
  const zeros = () => buckets.zeros();
  return {
    buckets,
    demandS: zeros(),
    idleS: zeros(),
    lentS: zeros(),
    netS: zeros(),
    arrivals: zeros(),
    waited: zeros(),
  };
}

function addPool(
  flow: PoolFlow,
  series: PoolSeries,
  { startS, vacateS, penaltyS }: PoolRules,
  lines: readonly Omit<PoolDecision, "reason">[],
): void {
  const { timesS, demand, idle, creditS } = series;
  for (const { tick, lent, ...gpus } of levelTicks(series, expandLevels(series, lines))) {
    const timeS = timesS[tick]!;
    flow.buckets.spread(timeS, timeS + creditS[tick]!, (bucket, seconds) => {
      flow.demandS[bucket]! += demand[tick]! * seconds;
      flow.idleS[bucket]! += idle[tick]! * seconds;
      flow.lentS[bucket]! += lent * seconds;
      flow.netS[bucket]! += lent * seconds;
    });
    const bucket = flow.buckets.indexOf(timeS);
    flow.netS[bucket]! -= startS * gpus.starts + vacateS * gpus.returns + penaltyS * gpus.evictions;
    flow.arrivals[bucket]! += gpus.arrivals;
    flow.waited[bucket]! += gpus.waited;
  }
}
