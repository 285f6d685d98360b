import type { PoolSeries } from "./pool-series.ts";

/** How many GPUs of a pool are lent at each of its ticks. */
export interface PoolLevels {
  readonly lent: Int32Array;
  /** Lines that lent more than was idle, and by how much in sum. */
  readonly violations: number;
  readonly over: number;
}

export interface PoolLine {
  readonly timeS: number;
  readonly lent: number;
}

/**
 * The levels that lines ask for, in order of time: one between two ticks counts from the later one, the last of a tick counts, and
 * without one the level stays, less what owners took back; 0 after a gap.
 */
export function expandLevels({ timesS, idle, gapNext }: PoolSeries, lines: readonly PoolLine[]): PoolLevels {
  const lent = new Int32Array(timesS.length);
  let level = 0;
  let violations = 0;
  let over = 0;
  let next = 0;
  for (const [tick, timeS] of timesS.entries()) {
    let asked = -1;
    for (; next < lines.length && lines[next]!.timeS <= timeS; next++) asked = Math.trunc(lines[next]!.lent);
    if (asked > idle[tick]!) {
      violations += 1;
      over += asked - idle[tick]!;
    }
    level = Math.min(asked >= 0 ? asked : level, idle[tick]!);
    lent[tick] = level;
    if (gapNext[tick] === 1) level = 0;
  }
  return { lent, violations, over };
}
