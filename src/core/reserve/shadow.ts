import type { LevelHazards } from "./lend-rule.ts";
import { pointsUpTo } from "./slack-grid.ts";

/** What an owner allows. `waited`: of the GPUs that arrive, those that meet a lent one. `met`: of the ticks, those at which any does. */
export interface Limit {
  readonly counts: "waited" | "met";
  /** A share, above 0 and up to 1. */
  readonly max: number;
}

/** The prices that are tried, in what a GPU earns in a step: from 1 to 3.4 million, each 1.42 times the one before. */
export const candidatePrices: readonly number[] = Array.from({ length: 44 }, (_, index) =>
  Math.exp(0.35 * index),
);

/** What each candidate price would have lent of one pool, and what was to be expected of it at the next tick. */
export class Shadow {
  readonly #lent = new Int32Array(candidatePrices.length);
  /** By candidate; what the limit counts. */
  readonly expectedMeetings = new Float64Array(candidatePrices.length);
  expectedArrivals = 0;
  readonly #counts: Limit["counts"];
  #hullLevel = new Int32Array(1);
  #hullMeetings = new Float64Array(1);

  constructor({ counts }: Limit) {
    this.#counts = counts;
  }

  lend(levels: LevelHazards): void {
    let corner = this.#findHull(levels);
    for (const [index, price] of candidatePrices.entries()) {
      while (corner > 0 && this.#gain(corner) <= price * this.#cost(corner)) corner--;
      this.#lent[index] = this.#hullLevel[corner]!;
      this.expectedMeetings[index] = this.#hullMeetings[corner]!;
    }
  }

  /** What a candidate met, now that so many are idle and demand rose by so much. */
  meetings(index: number, idle: number, rise: number): number {
    return countMeetings(this.#counts, Math.max(0, this.#lent[index]! - idle), rise);
  }

  /**
   * The levels that any price would lend up to are the corners of a concave hull of levels over meetings: found once, they answer
   * for all prices. -> the last corner; the first is to lend nothing.
   */
  #findHull({ grid, hazard, idle }: LevelHazards): number {
    if (this.#hullLevel.length <= grid.length) {
      this.#hullLevel = new Int32Array(grid.length + 1);
      this.#hullMeetings = new Float64Array(grid.length + 1);
    }
    const waited = this.#counts === "waited";
    let sum = 0;
    let last = 0;
    for (let point = pointsUpTo(grid, idle) - 1, below = 0; point >= 0; point--) {
      const level = idle - grid[point]! + 1;
      sum += (level - below) * hazard[point]!;
      below = level;
      this.#hullLevel[++last] = level;
      this.#hullMeetings[last] = waited ? sum : hazard[point]!;
      while (last > 1 && this.#gain(last) * this.#cost(last - 1) >= this.#gain(last - 1) * this.#cost(last)) {
        last--;
        this.#hullLevel[last] = this.#hullLevel[last + 1]!;
        this.#hullMeetings[last] = this.#hullMeetings[last + 1]!;
      }
    }
    this.expectedArrivals = waited ? sum : 1;
    return last;
  }

  /** What a corner has more than the one before it: levels, and meetings. */
  #gain(corner: number): number {
    return this.#hullLevel[corner]! - this.#hullLevel[corner - 1]!;
  }

  #cost(corner: number): number {
    return this.#hullMeetings[corner]! - this.#hullMeetings[corner - 1]!;
  }
}

export function countMeetings(counts: Limit["counts"], taken: number, rise: number): number {
  return counts === "waited" ? Math.min(taken, rise) : taken > 0 ? 1 : 0;
}
