import type { PoolDecision } from "../../src/backtest/replay/pool-replay.ts";
import { defaultPoolRules } from "../../src/backtest/rules.ts";
import { expandLevels } from "../../src/backtest/score/pool-levels.ts";
import { poolSeries } from "../../src/backtest/score/pool-series.ts";
import { levelTicks } from "../../src/backtest/score/pool-tally.ts";
import type { PoolTrace } from "../../src/backtest/trace/pool-trace.ts";

/** What lending did in one pool for a while. */
export interface PoolBlock {
  /** Owners' GPUs that came, and those of them that met a lent one. */
  readonly arrivals: number;
  readonly waited: number;
  /** Ticks that another follows, and those of them at which the owner took a lent GPU; GPUs idle and lent, summed over them. */
  readonly ticks: number;
  readonly violated: number;
  readonly idle: number;
  readonly lent: number;
}

/** By pool and stretch of time of this length, from `fromS` on. */
export function poolBlocks(
  trace: PoolTrace,
  decisions: readonly PoolDecision[],
  blockS: number,
  fromS = -Infinity,
): PoolBlock[] {
  const lines = Map.groupBy(decisions, ({ pool }) => pool);
  return poolSeries(trace, defaultPoolRules).flatMap((series) => {
    const { timesS, idle, gapNext } = series;
    const ticks = levelTicks(series, expandLevels(series, lines.get(series.pool) ?? []));
    const judged = [...ticks].filter(({ tick }) => timesS[tick]! >= fromS);
    const blocks = Map.groupBy(judged, ({ tick }) => Math.floor(timesS[tick]! / blockS));
    return [...blocks.values()].map((block) => {
      const followed = block.filter(({ tick }) => gapNext[tick] === 0);
      return {
        arrivals: sum(block, ({ arrivals }) => arrivals),
        waited: sum(block, ({ waited }) => waited),
        ticks: followed.length,
        violated: sum(followed, ({ tick, lent }) => (lent > idle[tick + 1]! ? 1 : 0)),
        idle: sum(followed, ({ tick }) => idle[tick]!),
        lent: sum(followed, ({ lent }) => lent),
      };
    });
  });
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
