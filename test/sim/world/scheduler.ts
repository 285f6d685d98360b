import { setImmediate as realTurn } from "node:timers/promises";
import { Heap } from "../../../src/core/heap.ts";

interface Due {
  readonly atMs: number;
  /** Of two at one moment the one that was asked for first comes first. */
  readonly order: number;
  act: (() => void) | null;
}

/** Calls it off; calling it off twice, or after it happened, changes nothing. */
export type Cancel = () => void;

/** More at one moment than anything but a process that turns for ever in one place. */
const atOnceMax = 100_000;

/** Virtual time. What happens, happens in order, one thing at a time, each followed by all that it resolves. */
export class Scheduler {
  #nowMs = 0;
  #count = 0;
  #atOnce = 0;
  readonly #due = new Heap<Due>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Things that have happened. */
  happened = 0;

  after(ms: number, act: () => void): Cancel {
    return this.at(this.#nowMs + ms, act);
  }

  /** To the last bit: `after` what is left until then may come a moment too early. Now, where it is past. */
  at(atMs: number, act: () => void): Cancel {
    const due: Due = { atMs: Math.max(this.#nowMs, atMs), order: this.#count++, act };
    this.#due.add(due);
    return () => {
      due.act = null;
    };
  }

  /** Until nothing is due before `untilMs`, or `done` says so after a thing has happened. */
  async run(untilMs: number, done: () => boolean): Promise<void> {
    for (let next = this.#due.first; next !== undefined && next.atMs <= untilMs; next = this.#due.first) {
      this.#due.removeFirst();
      if (next.act === null) continue;
      this.#atOnce = next.atMs > this.#nowMs ? 0 : this.#atOnce + 1;
      if (this.#atOnce > atOnceMax) throw new Error(`time stands still at ${this.#nowMs} ms`);
      this.#nowMs = next.atMs;
      this.happened += 1;
      next.act();
      // Promises that it resolved, and those that they resolve, are all carried on before the next thing happens.
      await realTurn();
      if (done()) return;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}
