import { pointsUpTo } from "./slack-grid.ts";

/** What the rule weighs, in seconds of one GPU. */
export interface Prices {
  /** What a lent GPU earns until the next tick. */
  readonly stepS: number;
  /** What a lent GPU costs that its owner takes. */
  readonly takenS: number;
  /** What a tick costs at which the owner takes any lent GPU, however many. */
  readonly meetingS: number;
  /** What the next lent GPU must earn beyond that: the hand-back that it leads to. */
  readonly lendS: number;
}

/** What is forecast of the levels of a pool. */
export interface LevelHazards {
  readonly grid: Int32Array;
  /** P(the level of slack `grid[i]` is taken at the next tick); it stands for the levels up to the next point too. */
  readonly hazard: Float64Array;
  readonly idle: number;
}

/**
 * How many GPUs to lend, 0 … idle: so many that they are together worth most until the next tick. To weigh one tick against
 * its risk is optimal stopping where hazards fall with age, as they do. `held` of them are lent already.
 */
export function lentLevel({ grid, hazard, idle }: LevelHazards, held: number, prices: Prices): number {
  const { stepS, takenS, meetingS, lendS } = prices;
  let best = 0;
  let bestS = 0;
  let sumS = 0;
  for (let point = pointsUpTo(grid, idle) - 1, below = 0; point >= 0; point--) {
    const level = idle - grid[point]! + 1;
    const fresh = Math.max(0, level - Math.max(below, held));
    sumS += (level - below) * (stepS - takenS * hazard[point]!) - fresh * lendS;
    below = level;
    const netS = sumS - meetingS * hazard[point]!;
    if (netS <= bestS) continue;
    bestS = netS;
    best = level;
  }
  return best;
}
