import { between, type HazardChain, knotCount, knotLogOdds } from "./hazard-chain.ts";
import { probability } from "./logistic.ts";

/** Seconds of one GPU. */
export interface LeaseCosts {
  readonly start: number;
  /** Every end. */
  readonly end: number;
  /** An end by the owner, beside `end`. */
  readonly met: number;
  /** An end by losing sight of the device, beside `end`. */
  readonly lost: number;
}

/** So many steps of value iteration at each reading: more follow with the next ones. */
const sweeps = 4;
const coldSweeps = 60;

/**
 * Optimal stopping. Let G be what it is worth that a device is lent rather than free, as its owner stays away: lending makes
 * one of the other for the start's cost and leaving the other way for the end's, so −end ≤ G ≤ start, and
 *
 *   G = clip(W, −end, start),  W = Δ − h (end + met) − u (end + lost) + (1 − h − u) E[G at the next reading]
 *
 * with Δ the interval, h the hazard over it and u the chance to lose sight of the device. Lend when W > start, leave when
 * W < −end. With E[G] = start these are the closed forms h < Δ/(start + end + met) and h > (Δ + start + end)/(start + end + met).
 */
export class LendOrWait {
  readonly #worth = new Float64Array(knotCount);
  readonly #next = new Float64Array(knotCount);
  #game: Game | null = null;

  /** Follows the chain; `worth` is that of the last call. */
  renew(chain: HazardChain, intervalMs: number, costs: LeaseCosts): void {
    const game = {
      interval: intervalMs / 1_000,
      offset: Math.log(intervalMs / 60_000),
      costs,
    };
    const { lostShare } = chain;
    const moves = chain.matrix();
    for (let sweep = this.#game === null ? coldSweeps : sweeps; sweep > 0; sweep--) {
      mean(moves, this.#worth, this.#next);
      for (let knot = 0; knot < knotCount; knot++) {
        const worth = worthOf(game, knotLogOdds[knot]!, lostShare, this.#next[knot]!);
        this.#worth[knot] = Math.min(costs.start, Math.max(-costs.end, worth));
      }
    }
    mean(moves, this.#worth, this.#next);
    this.#game = game;
  }

  /** W, s, of a device with these log-odds of a return within a minute, that may be lost to sight; −∞ before the first `renew`. */
  worth(logOdds: number, lostChance: number): number {
    if (this.#game === null) return -Infinity;
    const { knot, above } = between(logOdds);
    const next = (1 - above) * this.#next[knot]! + above * this.#next[knot + 1]!;
    return worthOf(this.#game, logOdds, lostChance, next);
  }
}

interface Game {
  readonly interval: number;
  readonly offset: number;
  readonly costs: LeaseCosts;
}

function worthOf({ interval, offset, costs }: Game, logOdds: number, lost: number, next: number): number {
  const returns = probability(logOdds + offset) * (1 - lost);
  const stays = 1 - returns - lost;
  return interval - returns * (costs.end + costs.met) - lost * (costs.end + costs.lost) + stays * next;
}

/** For each knot, the mean of the values at the next reading of a device that stays idle. */
function mean(moves: Float64Array, values: Float64Array, into: Float64Array): void {
  for (let from = 0; from < knotCount; from++) {
    let sum = 0;
    for (let to = 0; to < knotCount; to++) sum += moves[from * knotCount + to]! * values[to]!;
    into[from] = sum;
  }
}
