import type { PoolRules } from "../rules.ts";
import type { PoolSeries } from "./pool-series.ts";

/** The ticks over which some levels of a pool are idle without a gap, those of one begin and end. */
export interface LevelRun {
  readonly levels: number;
  readonly firstTick: number;
  readonly lastTick: number;
  /** Idle time, s. */
  readonly lengthS: number;
  /** Owners end it; else a gap does. */
  readonly byOwner: boolean;
}

/** Level j of a pool is idle while at least j of its GPUs are. All its runs, in one pass. */
export function* levelRuns({ idle, creditS, gapNext }: PoolSeries): Generator<LevelRun> {
  // Open runs, the youngest and highest levels last.
  const open: { firstTick: number; beginS: number; levels: number }[] = [];
  let clockS = 0;
  let depth = 0;
  function* close(count: number, lastTick: number, byOwner: boolean): Generator<LevelRun> {
    for (let left = count; left > 0;) {
      const youngest = open.at(-1)!;
      const levels = Math.min(youngest.levels, left);
      youngest.levels -= levels;
      if (youngest.levels === 0) open.pop();
      left -= levels;
      yield { levels, firstTick: youngest.firstTick, lastTick, lengthS: clockS - youngest.beginS, byOwner };
    }
  }
  for (const [tick, now] of idle.entries()) {
    if (now < depth) yield* close(depth - now, tick - 1, true);
    else if (now > depth) open.push({ firstTick: tick, beginS: clockS, levels: now - depth });
    depth = now;
    clockS += creditS[tick]!;
    if (gapNext[tick] === 0) continue;
    yield* close(depth, tick, false);
    depth = 0;
  }
}

/** What no policy exceeds, and what one that knows the future reaches on the trace's ticks; GPU-seconds. */
export interface PoolBounds {
  readonly boundS: number;
  readonly exactS: number;
}

/**
 * Net is a sum over levels, so no policy exceeds the sum of the levels' best: of each run what its length leaves after its start and
 * its cheapest end. `exact` also pays for leaving before the owner comes: the last tick's credit.
 */
export function poolBounds(series: PoolSeries, rules: PoolRules): PoolBounds {
  let boundS = 0;
  let exactS = 0;
  for (const run of levelRuns(series)) {
    const { levels, lengthS } = run;
    boundS += levels * Math.max(0, lengthS - rules.startS - Math.min(rules.vacateS, rules.penaltyS));
    exactS += levels * Math.max(0, lengthS - rules.startS - cheapestEndS(run, series, rules));
  }
  return { boundS, exactS };
}

/** Evicted, or handed back at the last tick without its credit. */
export function cheapestEndS(
  { byOwner, lastTick }: LevelRun,
  { creditS }: PoolSeries,
  { penaltyS, vacateS }: PoolRules,
): number {
  return byOwner ? Math.min(penaltyS, vacateS + creditS[lastTick]!) : vacateS;
}
