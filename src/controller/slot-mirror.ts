import type { Slices } from "./slices.ts";

/** What a slot of a mirror holds from now on. */
export interface Filled<T> {
  readonly slot: number;
  readonly item: T;
}

/** Items sent in one message: less than a millisecond to serialise. */
const batchMax = 64;

/**
 * The sending end of a mirror. Items never change, so that an object that was sent needs no second sending: only new ones
 * go over, each to a slot, and every list of items is then a list of slots. Slots of items that are gone are used again.
 */
export class SlotMirror<T extends object> {
  readonly #send: (filled: Filled<T>[]) => void;
  readonly #slotOf = new Map<T, number>();
  /** By slot: the round in which it was last listed. */
  readonly #rounds: number[] = [];
  readonly #freeSlots: number[] = [];
  #round = 0;

  constructor(send: (filled: Filled<T>[]) => void) {
    this.#send = send;
  }

  /** Of an item of the last list. */
  slotOf(item: T): number {
    return this.#slotOf.get(item) ?? -1;
  }

  /** Sends what is new, forgets what is gone, and gives the slots of the items. */
  async sync(items: readonly T[], slices: Slices): Promise<Int32Array<ArrayBuffer>> {
    this.#round++;
    const order = new Int32Array(items.length);
    let batch: Filled<T>[] = [];
    for (let place = 0; place < items.length; place++) {
      const item = items[place]!;
      let slot = this.#slotOf.get(item);
      if (slot === undefined) {
        slot = this.#freeSlots.pop() ?? this.#rounds.length;
        this.#slotOf.set(item, slot);
        batch.push({ slot, item });
      }
      this.#rounds[slot] = this.#round;
      order[place] = slot;
      if (batch.length === batchMax) {
        this.#send(batch);
        batch = [];
        await slices.breathe();
      } else if (place % 1_024 === 0) await slices.breathe();
    }
    if (batch.length > 0) this.#send(batch);
    await this.#forgetOthers(slices);
    return order;
  }

  async #forgetOthers(slices: Slices): Promise<void> {
    let looked = 0;
    for (const [item, slot] of this.#slotOf) {
      if (this.#rounds[slot] !== this.#round) {
        this.#slotOf.delete(item);
        this.#freeSlots.push(slot);
      }
      if (++looked % 1_024 === 0) await slices.breathe();
    }
  }
}
