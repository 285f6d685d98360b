import { fnv1a } from "../fnv1a.ts";
import type { SurvivalCurve } from "../survival-curve.ts";

/** A curve as plain data, for another thread or the disk. */
export interface PlainCurve {
  readonly horizonsMs: readonly number[];
  readonly survival: readonly number[];
  readonly sinceMs: number;
}

export function curveFrom({ horizonsMs, survival, sinceMs }: PlainCurve): WindowCurve {
  return new WindowCurve(horizonsMs, survival, sinceMs);
}

/** P(a device that is idle now stays so), from its values at a few horizons. */
export class WindowCurve implements SurvivalCurve {
  /** What makes the same curve again. */
  readonly plain: PlainCurve;
  readonly #horizonsMs: Float64Array;
  /** −ln S at each horizon; 0 at 0, never falling. */
  readonly #cumulative: Float64Array;
  readonly #sinceMs: number;

  /** `horizonsMs` rise from above 0, `survival` falls within (0, 1); said `sinceMs` ago of a device that is idle since. */
  constructor(horizonsMs: readonly number[], survival: readonly number[], sinceMs: number) {
    this.plain = { horizonsMs, survival, sinceMs };
    this.#horizonsMs = Float64Array.of(0, ...horizonsMs);
    this.#cumulative = Float64Array.from(this.#horizonsMs, (_, i) =>
      i === 0 ? 0 : -Math.log(survival[i - 1]!),
    );
    this.#sinceMs = Math.max(0, sinceMs);
  }

  get hash(): string {
    return fnv1a(new Uint8Array(this.#cumulative.buffer));
  }

  survivalAt(horizonMs: number): number {
    if (!(horizonMs > 0)) return 1;
    return Math.exp(this.#cumulativeAt(this.#sinceMs) - this.#cumulativeAt(this.#sinceMs + horizonMs));
  }

  expectedIdleMs(horizonMs: number): number {
    if (!(horizonMs > 0)) return 0;
    const soFar = this.#cumulativeAt(this.#sinceMs);
    const integral = this.#integral(this.#sinceMs + horizonMs) - this.#integral(this.#sinceMs);
    return Math.min(horizonMs, Math.max(0, integral * Math.exp(soFar)));
  }

  /** Between horizons the hazard is constant; after the last one it falls as 1/t, so that S is t^−shape. */
  #cumulativeAt(ms: number): number {
    const last = this.#horizonsMs.length - 1;
    if (ms >= this.#horizonsMs[last]!)
      return this.#cumulative[last]! + this.#tailShape * Math.log(ms / this.#horizonsMs[last]!);
    const i = this.#segment(ms);
    return this.#cumulative[i]! + this.#hazard(i) * (ms - this.#horizonsMs[i]!);
  }

  /** ∫ S from 0, ms. */
  #integral(ms: number): number {
    const last = this.#horizonsMs.length - 1;
    let sum = 0;
    for (let i = 0; i < last && this.#horizonsMs[i]! < ms; i++) {
      const spanMs = Math.min(ms, this.#horizonsMs[i + 1]!) - this.#horizonsMs[i]!;
      const hazard = this.#hazard(i);
      const mean = hazard * spanMs < 1e-12 ? spanMs : -Math.expm1(-hazard * spanMs) / hazard;
      sum += Math.exp(-this.#cumulative[i]!) * mean;
    }
    const lastMs = this.#horizonsMs[last]!;
    if (ms <= lastMs) return sum;
    const slope = 1 - this.#tailShape;
    const tail = Math.abs(slope) < 1e-9 ? Math.log(ms / lastMs) : ((ms / lastMs) ** slope - 1) / slope;
    return sum + Math.exp(-this.#cumulative[last]!) * lastMs * tail;
  }

  get #tailShape(): number {
    const last = this.#horizonsMs.length - 1;
    return this.#hazard(last - 1) * this.#horizonsMs[last]!;
  }

  /** The one that begins at or before that time. */
  #segment(ms: number): number {
    let i = 0;
    while (this.#horizonsMs[i + 1]! <= ms) i++;
    return i;
  }

  #hazard(segment: number): number {
    const rise = this.#cumulative[segment + 1]! - this.#cumulative[segment]!;
    return rise / (this.#horizonsMs[segment + 1]! - this.#horizonsMs[segment]!);
  }
}
