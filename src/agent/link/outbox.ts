import type { ConnectRequest } from "../../gen/gleaner/v1/agents.ts";

/** Made when it is sent, so that the ages in it are right. */
export type Outgoing = () => ConnectRequest;

/** Messages that must arrive; whoever sends them keeps them until they are acknowledged. */
const messagesMax = 20_000;
/** Batches of samples: only the newest matter to a controller that reads slowly. */
const batchesMax = 64;

/** What waits for one stream to take it. Bounded; messages go before samples. */
export class Outbox implements AsyncIterable<ConnectRequest> {
  readonly #messages: Outgoing[] = [];
  readonly #batches: Outgoing[] = [];
  #wake: (() => void) | null = null;
  #closed = false;
  #batchesDropped = 0;

  /** False: it was not taken, because the stream has ended or the controller reads too slowly. */
  push(message: Outgoing): boolean {
    if (this.#closed || this.#messages.length >= messagesMax) return false;
    this.#messages.push(message);
    this.#wake?.();
    return true;
  }

  pushSamples(batch: Outgoing): void {
    if (this.#closed) return;
    if (this.#batches.push(batch) > batchesMax) {
      this.#batches.shift();
      this.#batchesDropped += 1;
    }
    this.#wake?.();
  }

  get waiting(): { readonly messages: number; readonly messagesMax: number; readonly batches: number } {
    return { messages: this.#messages.length, messagesMax, batches: this.#batches.length };
  }

  /** Batches dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#batchesDropped;
    this.#batchesDropped = 0;
    return dropped;
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ConnectRequest, void, undefined> {
    while (!this.#closed) {
      const next = this.#messages.shift() ?? this.#batches.shift();
      if (next !== undefined) yield next();
      else await this.#more();
    }
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = null;
  }
}
