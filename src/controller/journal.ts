import { setImmediate as nextTurn } from "node:timers/promises";
import type { LedgerEvent } from "../core/ledger-event.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { LedgerStream } from "../store/ledger-stream.ts";

/** Events that may wait in memory while Redis is away; beyond it the oldest owner and unlent events are given up, as a stated gap. */
const backlogMax = 200_000;
const batchMax = 1_000;
const retryMs = 500;

/**
 * Writes the events that belong to no Lua script (owners' states, reasons, meetings, recalls) to the ledger's stream: in
 * order, batched, afterwards. Nobody waits for it, so that a recall never waits for Redis (I0).
 */
export class Journal {
  readonly #stream: LedgerStream;
  readonly #clock: Clock;
  readonly #log: Logger;
  #backlog: LedgerEvent[] = [];
  #writing: Promise<void> | null = null;
  #gapSinceMs: number | null = null;
  #closed = false;

  constructor(stream: LedgerStream, clock: Clock, log: Logger) {
    this.#stream = stream;
    this.#clock = clock;
    this.#log = log;
  }

  write(event: LedgerEvent): void {
    if (this.#backlog.length >= backlogMax) {
      this.#gapSinceMs ??= this.#backlog[0]?.atMs ?? event.atMs;
      this.#backlog.splice(batchMax, backlogMax / 2); // behind the batch that is being written
      this.#log.error(
        { backlogMax },
        "the ledger's backlog is full: the oldest events are given up and named as an outage",
      );
    }
    this.#backlog.push(event);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything written so far is in Redis, or the journal is closed. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async close(): Promise<void> {
    const drained = new AbortController();
    await Promise.race([this.flush(), this.#clock.sleep(5_000, drained.signal)]);
    drained.abort();
    this.#closed = true;
  }

  async #writeAll(): Promise<void> {
    // One turn of the event loop gathers what one message or cycle writes.
    await nextTurn();
    while (this.#backlog.length > 0 && !this.#closed) {
      const batch = this.#backlog.slice(0, batchMax);
      try {
        if (this.#gapSinceMs !== null) {
          await this.#stream.append([
            { type: "outage", atMs: this.#clock.wallMs(), sinceMs: this.#gapSinceMs },
          ]);
          this.#gapSinceMs = null;
        }
        await this.#stream.append(batch);
        this.#backlog.splice(0, batch.length);
      } catch (thrown) {
        this.#log.warn(
          { err: thrown, waiting: this.#backlog.length },
          "the ledger's stream cannot be written; trying again",
        );
        await this.#clock.sleep(retryMs);
      }
    }
    this.#writing = null;
  }
}
