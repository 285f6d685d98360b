import type { PoolRules } from "../rules.ts";
import type { PoolBounds } from "./pool-bounds.ts";
import type { PoolLevels } from "./pool-levels.ts";
import type { PoolSeries } from "./pool-series.ts";

/** What lending so many GPUs of a pool, or of several, did and was worth; GPU-seconds and GPUs. */
export interface PoolTally extends PoolBounds {
  readonly lentS: number;
  readonly idleS: number;
  readonly starts: number;
  /** Handed back, by a line or because nothing was known any more. */
  readonly returns: number;
  /** Taken back by owners. */
  readonly evictions: number;
  /** Owners' GPUs that were newly asked for, and those of them that met a lent one. */
  readonly arrivals: number;
  readonly waited: number;
  /** Ticks with something lent and known what followed, and ticks with an eviction. */
  readonly lentTicks: number;
  readonly shortTicks: number;
  readonly violations: number;
  readonly over: number;
}

export function tallyLevels(series: PoolSeries, levels: PoolLevels, bounds: PoolBounds): PoolTally {
  const { idle, creditS, gapNext } = series;
  const { violations, over } = levels;
  const sums = { lentS: 0, idleS: 0, starts: 0, returns: 0, evictions: 0, arrivals: 0, waited: 0 };
  const ticks = { lentTicks: 0, shortTicks: 0 };
  for (const { tick, lent, starts, returns, evictions, arrivals, waited } of levelTicks(series, levels)) {
    sums.lentS += lent * creditS[tick]!;
    sums.idleS += idle[tick]! * creditS[tick]!;
    sums.starts += starts;
    sums.returns += returns;
    sums.evictions += evictions;
    sums.arrivals += arrivals;
    sums.waited += waited;
    if (evictions > 0) ticks.shortTicks += 1;
    if (gapNext[tick] === 0 && lent > 0) ticks.lentTicks += 1;
  }
  return { ...sums, ...ticks, ...bounds, violations, over };
}

/** What happens at a tick: owners take back what they need, then the level changes; GPUs. */
interface LevelTick {
  readonly tick: number;
  /** From here on. */
  readonly lent: number;
  readonly starts: number;
  /** At a tick that a gap follows all that is lent. */
  readonly returns: number;
  readonly evictions: number;
  readonly arrivals: number;
  readonly waited: number;
}

export function* levelTicks(
  { demand, idle, gapNext }: PoolSeries,
  { lent }: PoolLevels,
): Generator<LevelTick> {
  let came = 0;
  for (const [tick, now] of lent.entries()) {
    const known = tick > 0 && gapNext[tick - 1] === 0;
    const evictions = Math.max(0, came - idle[tick]!);
    const held = came - evictions;
    const arrivals = known ? Math.max(0, demand[tick]! - demand[tick - 1]!) : 0;
    came = gapNext[tick] === 0 ? now : 0;
    yield {
      tick,
      lent: now,
      starts: Math.max(0, now - held),
      returns: Math.max(0, held - now) + (now - came),
      evictions,
      arrivals,
      waited: Math.min(evictions, arrivals),
    };
  }
}

/** Several pools as one. */
export function sumTallies(tallies: readonly PoolTally[]): PoolTally {
  return tallies.reduce((sum, tally) => {
    const keys = Object.keys(sum) as (keyof PoolTally)[];
    return Object.fromEntries(keys.map((key) => [key, sum[key] + tally[key]])) as unknown as PoolTally;
  });
}

export function poolNetS(tally: PoolTally, { startS, vacateS, penaltyS }: PoolRules): number {
  const { lentS, starts, returns, evictions, over } = tally;
  return lentS - startS * starts - vacateS * returns - penaltyS * (evictions + over);
}
