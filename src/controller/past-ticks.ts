import type { DemandPast, DemandQuery, PoolPast } from "../core/reserve/demand-past.ts";
import type { PoolCount } from "../core/reserve/pool-count.ts";

/** What was counted at one tick of the past. */
export interface PastTick {
  /** Wall clock, ms. */
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, PoolCount>;
}

interface PastTicksParts {
  readonly books: { demand(query: DemandQuery, signal: AbortSignal): Promise<DemandPast> };
  readonly query: DemandQuery;
  /** Wall clock, ms: nothing later is told. */
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

/** Asked again so often for what came meanwhile. */
const roundsMax = 5;
/** Ticks that may be missing at the end: the books are as far as the last entry, which some seconds may part from now. */
const behindMax = 2;

/**
 * What the books tell of pools, in the order of time; who takes long over it is told at the end what came meanwhile.
 * Throws what `books.demand` does.
 */
export async function* pastTicks({ books, query, nowMs, signal }: PastTicksParts): AsyncGenerator<PastTick> {
  const { pools, stepMs } = query;
  let fromMs = query.fromMs;
  for (let round = 0; round < roundsMax && nowMs() - fromMs > behindMax * stepMs; round++) {
    const past = await books.demand({ pools, fromMs, stepMs }, signal);
    const { ticks } = past;
    for (let tick = 0; tick < ticks.count; tick++) {
      const atMs = ticks.fromMs + tick * stepMs;
      if (atMs >= nowMs()) return;
      yield { atMs, counts: new Map(past.pools.map((pool) => [pool.pool, countOf(pool, tick)])) };
    }
    if (ticks.count === 0) return;
    fromMs = ticks.fromMs + ticks.count * stepMs;
  }
}

function countOf({ total, known, busy, lent, taken, evicted }: PoolPast, tick: number): PoolCount {
  return {
    total: total[tick]!,
    known: known[tick]!,
    busy: busy[tick]!,
    lent: lent[tick]!,
    taken: taken[tick]!,
    evicted: evicted[tick]!,
  };
}
