import { between, type HazardChain, knotCount, knotLogOdds } from "./hazard-chain.ts";
import { probability } from "./logistic.ts";

/** The table reaches over 2^doublings intervals; beyond, the hazard stays what it was at the end. */
const doublings = 12;

/**
 * How long idle windows last, from each knot of the hazard: S(n) = (D P)ⁿ 1 after n intervals, with P the chain's moves
 * and D the chance to come through one. Squaring the matrix gives n = 1, 2, 4, …; between them ln S is straight.
 */
export class WindowTable {
  readonly intervalMs: number;
  readonly #survival: readonly Float64Array[];

  constructor(chain: HazardChain, intervalMs: number) {
    this.intervalMs = intervalMs;
    const offset = Math.log(intervalMs / 60_000);
    let matrix = chain.matrix();
    for (let from = 0; from < knotCount; from++) {
      const stays = 1 - probability(knotLogOdds[from]! + offset);
      for (let to = 0; to < knotCount; to++) matrix[from * knotCount + to]! *= stays;
    }
    const survival: Float64Array[] = [];
    for (let doubling = 0; doubling <= doublings; doubling++) {
      survival.push(rowSums(matrix));
      matrix = square(matrix);
    }
    this.#survival = survival;
  }

  /** Cumulative hazard, −ln S, of a window that starts at these log-odds of a return within a minute. */
  cumulative(logOdds: number, horizonMs: number): number {
    const intervals = horizonMs / this.intervalMs;
    if (intervals <= 1) return intervals * this.#at(logOdds, 0);
    const doubling = Math.log2(intervals);
    const below = Math.min(doublings - 1, Math.floor(doubling));
    const from = this.#at(logOdds, below);
    const to = this.#at(logOdds, below + 1);
    const part = intervals / 2 ** below - 1;
    return from + part * (to - from);
  }

  #at(logOdds: number, doubling: number): number {
    const { knot, above } = between(logOdds);
    const survival = this.#survival[doubling]!;
    return -Math.log(Math.max(1e-300, (1 - above) * survival[knot]! + above * survival[knot + 1]!));
  }
}

function rowSums(matrix: Float64Array): Float64Array {
  return Float64Array.from({ length: knotCount }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < knotCount; column++) sum += matrix[row * knotCount + column]!;
    return sum;
  });
}

function square(matrix: Float64Array): Float64Array {
  const product = new Float64Array(matrix.length);
  for (let i = 0; i < knotCount; i++)
    for (let k = 0; k < knotCount; k++) {
      const value = matrix[i * knotCount + k]!;
      if (value === 0) continue;
      for (let j = 0; j < knotCount; j++) product[i * knotCount + j]! += value * matrix[k * knotCount + j]!;
    }
  return product;
}
