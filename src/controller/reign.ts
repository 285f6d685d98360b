import { compareTokens, type FencingToken } from "../core/lease.ts";
import type { LeaseStore } from "../store/lease-store.ts";

/** Under which epoch this controller commands, and in which generation tokens are given. */
export class Reign {
  readonly epoch: number;
  readonly #store: LeaseStore;
  /** No token of the books is newer. */
  #newest: FencingToken;

  constructor(store: LeaseStore, lead: Awaited<ReturnType<LeaseStore["takeLead"]>>) {
    this.#store = store;
    this.epoch = lead.epoch;
    this.#newest = { generation: lead.generation, number: lead.number };
  }

  get generation(): number {
    return this.#newest.generation;
  }

  gave(token: FencingToken): void {
    if (compareTokens(token, this.#newest) > 0) this.#newest = token;
  }

  /** Begins a new generation where an agent saw a token that is newer than the books: Redis came back older (I2). */
  async raiseAbove(token: FencingToken): Promise<"raised" | "newer_already"> {
    if (compareTokens(token, this.#newest) <= 0) return "newer_already";
    this.gave({ generation: await this.#store.raiseGeneration(token.generation), number: 0 });
    return "raised";
  }
}
