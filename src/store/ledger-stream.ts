import type { Redis } from "ioredis";
import { z } from "zod";
import type { LedgerEvent } from "../core/ledger-event.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";
import { zoneKeys } from "./keys.ts";
import { ledgerEventSchema } from "./ledger-event-schema.ts";
import { ask } from "./redis-error.ts";
import { defineScripts } from "./scripts.ts";

export interface LedgerEntry {
  /** Of the stream's entry, `ms-sequence`; grows. */
  readonly id: string;
  readonly event: LedgerEvent;
}

/**
 * Ledger events on their way to the SQL books. Bounded, and nothing is dropped at the bound: lending stops (the lend script
 * looks too) and `append` is refused, while the steps and ends of what is lent already are still written by their scripts.
 */
export class LedgerStream {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #entriesMax: number;
  readonly #logger: Logger | undefined;

  constructor(redis: Redis, zone: string, bounds: { readonly streamEntriesMax: number }, logger?: Logger) {
    defineScripts(redis);
    this.#redis = redis;
    this.#key = zoneKeys(zone).ledger;
    this.#entriesMax = bounds.streamEntriesMax;
    this.#logger = logger;
  }

  /** Nothing is lent then. */
  async isFull(): Promise<boolean> {
    return (await this.length()) >= this.#entriesMax;
  }

  /**
   * All or none. After REDIS_UNREACHABLE they may be written nevertheless: appending again can write them twice.
   * Throws LEDGER_FULL at the bound, which one batch may pass.
   */
  async append(events: readonly LedgerEvent[]): Promise<void> {
    if (events.length === 0) return;
    const entries = events.map((event) => JSON.stringify(event));
    const command = this.#redis.gleanerAppendEvents(this.#key, this.#entriesMax, ...entries);
    const [written, length] = await ask(this.#redis, command);
    if (written === 0) throw new GleanerError("LEDGER_FULL", { count: length, countMax: this.#entriesMax });
  }

  /**
   * The next entries after `id`; "0" for the first. An entry that is not a ledger event is logged and read as an outage
   * of no length, which the report names as a gap.
   */
  async readAfter(id: string, count: number): Promise<LedgerEntry[]> {
    const entries = await ask(this.#redis, this.#redis.xrange(this.#key, `(${id}`, "+", "COUNT", count));
    return entries.map(([entryId, fields]) => ({ id: entryId, event: this.#read(entryId, fields) }));
  }

  /** Forgets everything up to `id` and with it. */
  async trimTo(id: string): Promise<void> {
    const [ms = "0", sequence = "0"] = id.split("-");
    const next = `${ms}-${BigInt(sequence) + 1n}`;
    await ask(this.#redis, this.#redis.xtrim(this.#key, "MINID", "=", next));
  }

  async length(): Promise<number> {
    return ask(this.#redis, this.#redis.xlen(this.#key));
  }

  #read(id: string, [field, json = ""]: string[]): LedgerEvent {
    try {
      if (field === "e") return ledgerEventSchema.parse(JSON.parse(json));
    } catch (thrown) {
      if (!(thrown instanceof z.ZodError || thrown instanceof SyntaxError)) throw thrown;
    }
    this.#logger?.error(
      { id, entry: json.slice(0, 500) },
      "an entry of the ledger's stream is unreadable: a gap in the books",
    );
    const atMs = Number.parseInt(id, 10);
    return { type: "outage", atMs, sinceMs: atMs };
  }
}
