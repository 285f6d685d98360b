/** What is left of a weight after some time, for several half-lives. Keeps the last answer, since samples come evenly. */
export class Decay {
  readonly #halfLivesMs: readonly number[];
  readonly #left: Float64Array;
  #elapsedMs = 0;

  constructor(halfLivesMs: readonly number[]) {
    this.#halfLivesMs = halfLivesMs;
    this.#left = new Float64Array(halfLivesMs.length).fill(1);
  }

  /** One factor a half-life, 0–1; good until the next call. */
  after(elapsedMs: number): Float64Array {
    if (elapsedMs !== this.#elapsedMs) {
      this.#elapsedMs = elapsedMs;
      for (const [index, halfLifeMs] of this.#halfLivesMs.entries())
        this.#left[index] = 2 ** (-elapsedMs / halfLifeMs);
    }
    return this.#left;
  }
}
