import { setImmediate } from "node:timers/promises";

/** Cuts a long piece of work into slices, between which everything else that waits for the thread has its turn. */
export class Slices {
  readonly #sliceMs: number;
  #beganMs = performance.now();

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Goes on at once unless the slice is used up. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#beganMs < this.#sliceMs) return;
    await setImmediate();
    this.#beganMs = performance.now();
  }
}
