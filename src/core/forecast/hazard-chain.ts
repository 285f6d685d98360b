/** Knots of log-odds of a return within a minute. */
const least = -7;
const stepSize = 0.5;
export const knotCount = 21;
export const knotLogOdds = Float64Array.from({ length: knotCount }, (_, knot) => least + knot * stepSize);

/** Believed before anything was seen: so many moves from each knot, most to itself, the others to the one below. */
const believedMoves = 3;
const believedStay = 0.6;

/** A place between two knots. */
export interface Between {
  readonly knot: number;
  /** Weight of the knot above, 0–1. */
  readonly above: number;
}

export function between(logOdds: number): Between {
  const place = Math.min(knotCount - 1, Math.max(0, (logOdds - least) / stepSize));
  const knot = Math.min(knotCount - 2, Math.floor(place));
  return { knot, above: place - knot };
}

/**
 * How the hazard of devices that stay idle moves from one reading to the next, and how often they are lost to sight;
 * forgotten exponentially.
 */
export class HazardChain {
  readonly #halfLifeMs: number;
  readonly #moves = new Float64Array(knotCount ** 2);
  #lost = 0.5;
  #seen = 50;
  #atMs: number;

  constructor(halfLifeMs: number, atMs: number) {
    this.#halfLifeMs = halfLifeMs;
    this.#atMs = atMs;
  }

  stayed(fromLogOdds: number, toLogOdds: number): void {
    const from = between(fromLogOdds);
    const to = between(toLogOdds);
    const line = from.knot * knotCount + to.knot;
    this.#moves[line]! += (1 - from.above) * (1 - to.above);
    this.#moves[line + 1]! += (1 - from.above) * to.above;
    this.#moves[line + knotCount]! += from.above * (1 - to.above);
    this.#moves[line + knotCount + 1]! += from.above * to.above;
    this.#seen += 1;
  }

  returned(): void {
    this.#seen += 1;
  }

  lost(): void {
    this.#seen += 1;
    this.#lost += 1;
  }

  forget(nowMs: number): void {
    const left = 2 ** ((this.#atMs - nowMs) / this.#halfLifeMs);
    this.#atMs = nowMs;
    for (let i = 0; i < this.#moves.length; i++) this.#moves[i]! *= left;
    this.#lost *= left;
    this.#seen *= left;
  }

  /** P(a device is lost to sight by its next reading). */
  get lostShare(): number {
    return (this.#lost + 0.1) / (this.#seen + 10);
  }

  /** P(to | from) of a device that stays idle, row by row. */
  matrix(): Float64Array {
    const matrix = Float64Array.from(this.#moves);
    for (let from = 0; from < knotCount; from++) {
      const line = from * knotCount;
      matrix[line + from]! += believedMoves * believedStay;
      matrix[line + Math.max(0, from - 1)]! += believedMoves * (1 - believedStay);
      let weight = 0;
      for (let to = 0; to < knotCount; to++) weight += matrix[line + to]!;
      for (let to = 0; to < knotCount; to++) matrix[line + to]! /= weight;
    }
    return matrix;
  }
}
