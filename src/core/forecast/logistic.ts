/** Curvature of a row that is all but certain: keeps one surprise from moving everything. */
const curvatureMin = 0.002;
/** The largest change of a coefficient in one refit. */
const stepMax = 2;

/**
 * Logistic regression on rows that are forgotten exponentially, without the rows: each is taken in as the quadratic that touches its
 * log-likelihood at the coefficients of its time (iteratively reweighted least squares, done recursively), so that a refit is one solve of
 * (A + R) θ = b + R θ₀. R draws the coefficients to θ₀ with the weight of a few rows.
 * Memory O(width²); `add` O(width²), `refit` O(width³).
 */
export class Logistic {
  readonly width: number;
  readonly coefficients: Float64Array;
  readonly #curvature: Float64Array;
  readonly #target: Float64Array;
  readonly #factor: Float64Array;
  readonly #solution: Float64Array;

  constructor(start: ArrayLike<number>) {
    this.width = start.length;
    this.coefficients = Float64Array.from(start);
    this.#curvature = new Float64Array(this.width ** 2);
    this.#factor = new Float64Array(this.width ** 2);
    this.#target = new Float64Array(this.width);
    this.#solution = new Float64Array(this.width);
  }

  /** Log-odds of the event in a row. */
  logOdds(row: ArrayLike<number>, offset = 0): number {
    let sum = offset;
    for (let i = 0; i < this.width; i++) sum += row[i]! * this.coefficients[i]!;
    return sum;
  }

  add(row: ArrayLike<number>, event: boolean, offset = 0): void {
    const logOdds = this.logOdds(row, offset);
    const p = probability(logOdds);
    const curvature = Math.max(p * (1 - p), curvatureMin);
    const pull = curvature * (logOdds - offset) + (event ? 1 - p : -p);
    for (let i = 0; i < this.width; i++) {
      const value = row[i]!;
      if (value === 0) continue;
      this.#target[i]! += pull * value;
      const weighted = curvature * value;
      const line = i * this.width;
      for (let j = 0; j <= i; j++) this.#curvature[line + j]! += weighted * row[j]!;
    }
  }

  /** All that was added so far counts that much less. */
  forget(left: number): void {
    for (let i = 0; i < this.#curvature.length; i++) this.#curvature[i]! *= left;
    for (let i = 0; i < this.width; i++) this.#target[i]! *= left;
  }

  /** Draws coefficient i to `towards[i]` with the weight of `strength[i]` × `scale`. */
  refit(towards: ArrayLike<number>, strength: ArrayLike<number>, scale: number): void {
    this.#factorise(strength, scale);
    this.#solve(towards, strength, scale);
    let largest = 0;
    for (let i = 0; i < this.width; i++)
      largest = Math.max(largest, Math.abs(this.#solution[i]! - this.coefficients[i]!));
    const part = Math.min(1, stepMax / largest);
    for (let i = 0; i < this.width; i++)
      this.coefficients[i]! += part * (this.#solution[i]! - this.coefficients[i]!);
  }

  /** Cholesky: A + R = L Lᵀ. */
  #factorise(strength: ArrayLike<number>, scale: number): void {
    const { width } = this;
    const L = this.#factor;
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++) {
        let sum = this.#curvature[i * width + j]! + (i === j ? strength[i]! * scale : 0);
        for (let k = 0; k < j; k++) sum -= L[i * width + k]! * L[j * width + k]!;
        L[i * width + j] = i === j ? Math.sqrt(Math.max(sum, 1e-9)) : sum / L[j * width + j]!;
      }
  }

  #solve(towards: ArrayLike<number>, strength: ArrayLike<number>, scale: number): void {
    const { width } = this;
    const L = this.#factor;
    const x = this.#solution;
    for (let i = 0; i < width; i++) {
      let sum = this.#target[i]! + strength[i]! * scale * towards[i]!;
      for (let k = 0; k < i; k++) sum -= L[i * width + k]! * x[k]!;
      x[i] = sum / L[i * width + i]!;
    }
    for (let i = width - 1; i >= 0; i--) {
      let sum = x[i]!;
      for (let k = i + 1; k < width; k++) sum -= L[k * width + i]! * x[k]!;
      x[i] = sum / L[i * width + i]!;
    }
  }
}

export function probability(logOdds: number): number {
  return 1 / (1 + Math.exp(-logOdds));
}
