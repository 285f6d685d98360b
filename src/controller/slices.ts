import { setImmediate } from "node:timers/promises";

/** The thread is kept no longer than about this at once: a recall waits for no more. */
const sliceMs = 2;

/** Cuts a long piece of work into slices, between which everything else that waits for the thread has its turn. */
export class Slices {
  #beganMs = performance.now();

  /** Goes on at once unless the slice is used up. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#beganMs < sliceMs) return;
    await setImmediate();
    this.#beganMs = performance.now();
  }
}
