import type { WrittenEvent } from "../core/ledger-event.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { LedgerStream } from "../store/ledger-stream.ts";
import { WriteBehind } from "./write-behind.ts";

/** Events that may wait in memory while Redis is away; beyond it the oldest are given up, as a stated gap. */
const backlogMax = 200_000;
const retryMs = 500;

/**
 * Writes the events that belong to no Lua script (owners' states, reasons, meetings, recalls) to the ledger's stream: in
 * order, batched, afterwards. Nobody waits for it, so that a recall never waits for Redis (I0).
 */
export class Journal {
  readonly #stream: LedgerStream;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #backlog: WriteBehind<WrittenEvent>;
  #gapSinceMs: number | null = null;

  constructor(stream: LedgerStream, clock: Clock, log: Logger) {
    this.#stream = stream;
    this.#clock = clock;
    this.#log = log;
    this.#backlog = new WriteBehind({
      clock,
      retryMs,
      write: (batch) => this.#append(batch),
      failed: (err, waiting) =>
        log.warn({ err, waiting }, "the ledger's stream cannot be written; trying again"),
    });
  }

  write(event: WrittenEvent): void {
    if (this.#backlog.waiting >= backlogMax) {
      this.#gapSinceMs ??= this.#backlog.oldest?.atMs ?? event.atMs;
      this.#backlog.dropOldest(backlogMax / 2);
      this.#log.error(
        { backlogMax },
        "the ledger's backlog is full: the oldest events are given up and named as an outage",
      );
    }
    this.#backlog.push(event);
  }

  /** Events that wait for Redis. */
  get backlog(): { readonly waiting: number; readonly max: number } {
    return { waiting: this.#backlog.waiting, max: backlogMax };
  }

  /** Resolves when everything written so far is in Redis, or the journal is closed. */
  async flush(): Promise<void> {
    await this.#backlog.flush();
  }

  async close(): Promise<void> {
    await this.#backlog.close();
  }

  async #append(batch: readonly WrittenEvent[]): Promise<void> {
    if (this.#gapSinceMs !== null) {
      await this.#stream.append([{ type: "outage", atMs: this.#clock.wallMs(), sinceMs: this.#gapSinceMs }]);
      this.#gapSinceMs = null;
    }
    await this.#stream.append(batch);
  }
}
