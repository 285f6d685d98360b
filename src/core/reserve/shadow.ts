import { lentLevel, type LevelHazards } from "./lend-rule.ts";

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

  constructor({ counts }: Limit) {
    this.#counts = counts;
  }

  lend(levels: LevelHazards): void {
    const waited = this.#counts === "waited";
    this.expectedArrivals = waited ? this.#expected(levels, levels.idle) : 1;
    for (const [index, price] of candidatePrices.entries()) {
      const prices = { stepS: 1, takenS: waited ? price : 0, meetingS: waited ? 0 : price, lendS: 0 };
      const lent = lentLevel(levels, 0, prices);
      this.#lent[index] = lent;
      this.expectedMeetings[index] = this.#expected(levels, lent);
    }
  }

  /** What a candidate met, now that so many are idle and demand rose by so much. */
  meetings(index: number, idle: number, rise: number): number {
    return countMeetings(this.#counts, Math.max(0, this.#lent[index]! - idle), rise);
  }

  #expected({ grid, hazard, idle }: LevelHazards, lent: number): number {
    let sum = 0;
    let highest = 0;
    for (let point = 0; point < hazard.length && grid[point]! <= idle; point++) {
      const top = Math.min(lent, idle - grid[point]! + 1);
      const below = Math.max(0, idle - (grid[point + 1] ?? Infinity) + 1);
      if (top <= below) continue;
      sum += (top - below) * hazard[point]!;
      highest ||= hazard[point]!;
    }
    return this.#counts === "waited" ? sum : highest;
  }
}

export function countMeetings(counts: Limit["counts"], taken: number, rise: number): number {
  return counts === "waited" ? Math.min(taken, rise) : taken > 0 ? 1 : 0;
}
