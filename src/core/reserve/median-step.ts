const STEPS_MAX = 31;

/** The time that usually passes from tick to tick: the median of the last ones. */
export class MedianStep {
  readonly #stepsS: number[] = [];
  #timeS: number | null = null;

  /** The usual step with this tick's, s; null at the first tick. */
  next(timeS: number): number | null {
    if (this.#timeS !== null) this.#stepsS.push(timeS - this.#timeS);
    if (this.#stepsS.length > STEPS_MAX) this.#stepsS.shift();
    this.#timeS = timeS;
    return this.#stepsS.toSorted((a, b) => a - b)[this.#stepsS.length >> 1] ?? null;
  }
}
