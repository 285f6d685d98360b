import type { Clock } from "../runtime/clock.ts";

/** In one batch; Redis serves nobody else meanwhile. */
const batchMax = 1_000;

/** How long a close waits for what is on its way. */
const closeMsMax = 5_000;

interface WriteBehindParts<T, Answer> {
  readonly clock: Clock;
  readonly retryMs: number;
  /** One batch, all or none. Throwing means that the same batch is tried again. */
  readonly write: (batch: readonly T[]) => Promise<Answer>;
  /** The batch is written; the next one waits until this is through. */
  readonly written?: (batch: readonly T[], answer: Answer) => Promise<void>;
  readonly failed: (thrown: unknown, waiting: number) => void;
}

/**
 * Writes afterwards what nobody may wait for: in order, in batches, one at a time, tried until it is taken. How much may wait
 * is for the caller to bound, by `waiting`.
 */
export class WriteBehind<T, Answer = void> {
  readonly #parts: WriteBehindParts<T, Answer>;
  readonly #waiting: T[] = [];
  #writing: Promise<void> | null = null;
  readonly #closing = new AbortController();

  constructor(parts: WriteBehindParts<T, Answer>) {
    this.#parts = parts;
  }

  /** What is not yet written, the batch on its way included. */
  get waiting(): number {
    return this.#waiting.length;
  }

  get oldest(): T | undefined {
    return this.#waiting[0];
  }

  push(item: T): void {
    this.#waiting.push(item);
    this.#writing ??= this.#writeAll();
  }

  /** Gives up the oldest of those that are not on their way. */
  dropOldest(count: number): void {
    this.#waiting.splice(batchMax, count);
  }

  /** Resolves when everything pushed so far is written, or this is stopped. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  /** What is on its way has a moment yet. */
  async close(): Promise<void> {
    const drained = new AbortController();
    await Promise.race([this.flush(), this.#parts.clock.sleep(closeMsMax, drained.signal)]);
    drained.abort();
    this.stop();
  }

  /** Nothing more is written, and nothing follows from what is being written. */
  stop(): void {
    this.#closing.abort();
  }

  get stopped(): AbortSignal {
    return this.#closing.signal;
  }

  async #writeAll(): Promise<void> {
    const { clock, retryMs, write, written, failed } = this.#parts;
    // One turn of the event loop gathers what one message or cycle brings.
    await clock.turn();
    while (this.#waiting.length > 0 && !this.stopped.aborted) {
      const batch = this.#waiting.slice(0, batchMax);
      let answer: Answer;
      try {
        answer = await write(batch);
      } catch (thrown) {
        failed(thrown, this.#waiting.length);
        await clock.sleep(retryMs, this.stopped);
        continue;
      }
      this.#waiting.splice(0, batch.length);
      if (!this.stopped.aborted) await written?.(batch, answer);
    }
    this.#writing = null;
  }
}
