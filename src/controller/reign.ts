import { compareTokens, type FencingToken } from "../core/lease.ts";
import type { Lead, LeaseStore } from "../store/lease-store.ts";

/** What an agent has seen that no leader may fall behind. */
interface Seen {
  /** The largest over its devices. */
  readonly token: FencingToken;
  readonly leader: { readonly generation: number; readonly epoch: number; readonly nonce: string };
}

/** Under which epoch this controller commands, and in which generation tokens are given. */
export class Reign {
  /** Aborts, with LEADERSHIP_LOST as its reason, when the books take this controller for the leader no more. */
  readonly lost: AbortSignal;
  readonly #store: LeaseStore;
  /** Tells it from another leader of the same epoch. */
  readonly nonce: string;
  /** Whether nobody else can lead yet, by this process's own clock. */
  readonly isHeld: () => boolean;
  /** No token of the books is newer. */
  #newest: FencingToken;
  /** Confirmed by the books: agents are told of no other. */
  #epoch: number;

  constructor(store: LeaseStore, lead: Lead, isHeld: () => boolean) {
    this.#store = store;
    this.nonce = lead.nonce;
    this.isHeld = isHeld;
    this.lost = lead.lost;
    this.#epoch = lead.epoch;
    this.#newest = { generation: lead.generation, number: lead.number };
  }

  get epoch(): number {
    return this.#epoch;
  }

  get generation(): number {
    return this.#newest.generation;
  }

  /** False: a token as new was given before, so the books came back older. */
  gave(token: FencingToken): boolean {
    const isNewer = compareTokens(token, this.#newest) > 0;
    if (isNewer) this.#newest = token;
    return isNewer;
  }

  /** The books came back older than what this leader knows of them: what is given from now on is newer than all of that. */
  async raiseAboveOwn(): Promise<void> {
    await this.#raise(this.generation);
  }

  /**
   * Begins a new generation where an agent saw a token or a leader that is newer than the books: Redis came back older (I2).
   * Throws LEADERSHIP_LOST where it is this controller that is older.
   */
  async raiseAbove({ token, leader }: Seen): Promise<"raised" | "newer_already"> {
    const order = leader.generation - this.generation || leader.epoch - this.epoch;
    const isRival = order === 0 && leader.nonce !== "" && leader.nonce !== this.nonce;
    const knowsNewerLeader = order > 0 || isRival;
    if (compareTokens(token, this.#newest) <= 0 && !knowsNewerLeader) return "newer_already";
    const above = Math.max(token.generation, leader.generation);
    await this.#raise(above, leader.epoch);
    return "raised";
  }

  async #raise(aboveGeneration: number, aboveEpoch = 0): Promise<void> {
    const generation = await this.#store.raiseGeneration(aboveGeneration, aboveEpoch);
    this.#epoch = Math.max(this.#epoch, aboveEpoch + 1);
    this.gave({ generation, number: 0 });
  }
}
