import { binCount, binEndMs, binOf, binStartMs } from "./survival-bins.ts";

/** Beyond this many half-lives the weights are brought back to 1, long before a double overflows. */
const halfLivesMax = 64;

/**
 * How long devices were idle at each age, and how often their owners returned there, the past counting half after each
 * half-life. Instead of ageing every bin at every step, what is added later weighs more.
 */
export class SurvivalCounts {
  readonly #halfLifeMs: number;
  readonly #exposureMs = new Float64Array(binCount);
  readonly #returns = new Float64Array(binCount);
  #epochMs: number;

  constructor(halfLifeMs: number, epochMs: number) {
    this.#halfLifeMs = halfLifeMs;
    this.#epochMs = epochMs;
  }

  /**
   * A device was idle from one age to the next. Where the owner was back by then, the moment is not known: the return is
   * spread over the time between and half of that time counts as idle (the actuarial estimate of the hazard).
   */
  add(fromAgeMs: number, toAgeMs: number, returned: boolean, atMs: number): void {
    const spanMs = toAgeMs - fromAgeMs;
    if (!(spanMs > 0)) return;
    const weight = this.#weightAt(atMs);
    for (let bin = binOf(fromAgeMs); bin < binCount && binStartMs[bin]! < toAgeMs; bin++) {
      const insideMs = Math.min(toAgeMs, binEndMs(bin)) - Math.max(fromAgeMs, binStartMs[bin]!);
      this.#exposureMs[bin]! += weight * (returned ? insideMs / 2 : insideMs);
      if (returned) this.#returns[bin]! += weight * (insideMs / spanMs);
    }
  }

  /** Multiply `exposureMs` and `returns` by this to have them as they count at that time. */
  scaleAt(nowMs: number): number {
    return 2 ** ((this.#epochMs - nowMs) / this.#halfLifeMs);
  }

  exposureMs(bin: number): number {
    return this.#exposureMs[bin]!;
  }

  returns(bin: number): number {
    return this.#returns[bin]!;
  }

  #weightAt(atMs: number): number {
    const halfLives = (atMs - this.#epochMs) / this.#halfLifeMs;
    if (halfLives < halfLivesMax) return 2 ** halfLives;
    const scale = 2 ** -halfLives;
    for (let bin = 0; bin < binCount; bin++) {
      this.#exposureMs[bin]! *= scale;
      this.#returns[bin]! *= scale;
    }
    this.#epochMs = atMs;
    return 1;
  }
}
