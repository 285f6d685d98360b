import { type Clock, systemClock } from "../runtime/clock.ts";

/** The thread is kept no longer than about this at once: a recall waits for no more. */
const sliceMs = 2;

/** Cuts a long piece of work into slices, between which everything else that waits for the thread has its turn. */
export class Slices {
  readonly #clock: Pick<Clock, "monotonicMs" | "turn">;
  #beganMs: number;

  constructor(clock: Pick<Clock, "monotonicMs" | "turn"> = systemClock) {
    this.#clock = clock;
    this.#beganMs = clock.monotonicMs();
  }

  /** Goes on at once unless the slice is used up. */
  async breathe(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#beganMs < sliceMs) return;
    await this.#clock.turn();
    this.#beganMs = this.#clock.monotonicMs();
  }
}
