import type { OwnerState } from "../device.ts";
import { Slots } from "./slots.ts";

const minuteMs = 60_000;
/** How far ahead a forecast is asked. */
export const horizonsMs = [1, 5, 15, 30, 60].map((minutes) => minutes * minuteMs);

/** What becomes of questions; a horizon is its index. What was known when one was asked is still there to be read. */
export interface QuestionEvents {
  /** It is due. `came`: the owner was back by then. */
  answered(slot: number, horizon: number, came: boolean, atMs: number): void;
  /** The owner is back, so long after it was asked. */
  returned?(slot: number, horizon: number, afterMs: number): void;
  /** The device was last seen so long after it was asked, its owner away until then. */
  lost?(slot: number, horizon: number, afterMs: number): void;
}

/**
 * Is the owner back by then? Of each device one question is under way for each horizon, and is answered when it is due and not
 * before: so no stretch of time counts twice, and short windows count no more than long ones. What is lost from sight
 * answers nothing. Slots are taken into use one after the other.
 */
export class Questions<A extends Float64Array | Float32Array> {
  readonly #gapMs: number;
  readonly #width: number;
  readonly #events: QuestionEvents;
  /** When that of each horizon is due; 0: none is under way; negative: the owner came back before. Last: when it was seen. */
  readonly #due = new Slots(Float64Array, horizonsMs.length + 1);
  readonly #known: Slots<A>;

  /** `width`: values that are kept of a question, in arrays of that kind; readings further apart than `gapMs` have a gap between them. */
  constructor(gapMs: number, width: number, kind: new (length: number) => A, events: QuestionEvents) {
    this.#gapMs = gapMs;
    this.#width = width;
    this.#events = events;
    this.#known = new Slots(kind, horizonsMs.length * width);
  }

  open(slot: number): void {
    this.#due.clear(slot);
    this.#known.clear(slot);
  }

  /** A reading of the device. */
  observe(slot: number, atMs: number, owner: OwnerState): void {
    const due = this.#due.chunk(slot);
    const begin = this.#due.begin(slot);
    if (owner === "unknown" || atMs - due[begin + seenMs]! > this.#gapMs) this.lose(slot);
    due[begin + seenMs] = atMs;
    for (let horizon = 0; horizon < horizonsMs.length; horizon++) {
      const signed = due[begin + horizon]!;
      if (signed === 0) continue;
      const dueMs = Math.abs(signed);
      let came = signed < 0;
      if (owner === "busy" && atMs <= dueMs && !came) {
        came = true;
        due[begin + horizon] = -dueMs;
        this.#events.returned?.(slot, horizon, atMs - (dueMs - horizonsMs[horizon]!));
      }
      if (atMs < dueMs) continue;
      due[begin + horizon] = 0;
      this.#events.answered(slot, horizon, came, atMs);
    }
  }

  /** Whether any is to be asked. */
  areDue(slot: number): boolean {
    const due = this.#due.chunk(slot);
    const begin = this.#due.begin(slot);
    for (let horizon = 0; horizon < horizonsMs.length; horizon++) if (due[begin + horizon] === 0) return true;
    return false;
  }

  /** Asks where nothing is under way. `know` writes down what is known, from that place on. */
  ask(slot: number, atMs: number, know: (horizon: number, known: A, begin: number) => void): void {
    const due = this.#due.chunk(slot);
    const begin = this.#due.begin(slot);
    for (let horizon = 0; horizon < horizonsMs.length; horizon++) {
      if (due[begin + horizon] !== 0) continue;
      due[begin + horizon] = atMs + horizonsMs[horizon]!;
      know(horizon, this.#known.chunk(slot), this.#known.begin(slot) + horizon * this.#width);
    }
  }

  /** What was known when the question was asked. */
  known(slot: number, horizon: number, value: number): number {
    return this.#known.chunk(slot)[this.#known.begin(slot) + horizon * this.#width + value]!;
  }

  /** What is under way will not be answered. */
  lose(slot: number): void {
    const due = this.#due.of(slot);
    for (const [horizon, horizonMs] of horizonsMs.entries()) {
      if (due[horizon]! > 0) this.#events.lost?.(slot, horizon, due[seenMs]! - (due[horizon]! - horizonMs));
      due[horizon] = 0;
    }
  }
}

const seenMs = horizonsMs.length;
