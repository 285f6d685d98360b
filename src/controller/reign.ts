import type { LeaseStore } from "../store/lease-store.ts";

/** Under which epoch this controller commands, and in which generation tokens are given. */
export class Reign {
  readonly epoch: number;
  readonly #store: LeaseStore;
  #generation: number;

  constructor(store: LeaseStore, epoch: number, generation: number) {
    this.#store = store;
    this.epoch = epoch;
    this.#generation = generation;
  }

  get generation(): number {
    return this.#generation;
  }

  /** For a token that is newer than the books, since Redis came back older (I2). */
  async raiseGeneration(above: number): Promise<number> {
    this.#generation = await this.#store.raiseGeneration(above);
    return this.#generation;
  }
}
