import type { Redis } from "ioredis";
import { z } from "zod";
import type { WrittenEvent } from "../core/ledger-event.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";
import { zoneKeys, type ZoneKeys } from "./keys.ts";
import { ledgerEventSchema } from "./ledger-event-schema.ts";
import { ask } from "./redis-error.ts";
import { defineScripts } from "./scripts.ts";

export interface LedgerEntry {
  /** Of the stream's entry, `ms-sequence`; grows. */
  readonly id: string;
  readonly event: WrittenEvent;
}

/**
 * Ledger events on their way to the SQL books, of which each controller keeps its own. Bounded, and nothing is dropped at the bound: lending stops (the lend script
 * looks too) and `append` is refused, while the steps and ends of what is lent already are still written by their scripts.
 */
export class LedgerStream {
  readonly #redis: Redis;
  readonly #keys: ZoneKeys;
  readonly #entriesMax: number;
  readonly #logger: Logger | undefined;

  constructor(redis: Redis, zone: string, bounds: { readonly streamEntriesMax: number }, logger?: Logger) {
    defineScripts(redis);
    this.#redis = redis;
    this.#keys = zoneKeys(zone);
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
  async append(events: readonly WrittenEvent[]): Promise<void> {
    if (events.length === 0) return;
    const entries = events.map((event) => JSON.stringify(event));
    const command = this.#redis.gleanerAppendEvents(this.#keys.ledger, this.#entriesMax, ...entries);
    const [written, length] = await ask(this.#redis, command);
    if (written === 0) throw new GleanerError("LEDGER_FULL", { count: length, countMax: this.#entriesMax });
  }

  /**
   * The next entries after `id`; "0" for the first. An entry that is not a ledger event is logged and read as an outage
   * of no length, which the report names as a gap.
   */
  async readAfter(id: string, count: number): Promise<LedgerEntry[]> {
    const entries = await ask(
      this.#redis,
      this.#redis.xrange(this.#keys.ledger, `(${id}`, "+", "COUNT", count),
    );
    return entries.map(([entryId, fields]) => ({ id: entryId, event: this.#read(entryId, fields) }));
  }

  /**
   * Notes that the reader's books hold everything up to `id` (0-0: they begin), and what they wish, empty for nothing. What all
   * readers' books hold is forgotten; they are waited for until the stream is half full. Answers up to where it is forgotten:
   * there books begin, and those that end before it have missed entries.
   */
  async booked(reader: string, id: string, wish: string): Promise<string> {
    const { ledger, books, forgotten } = this.#keys;
    const keptMax = Math.floor(this.#entriesMax / 2);
    const command = this.#redis.gleanerNoteBooks(ledger, books, forgotten, reader, id, wish, keptMax);
    return ask(this.#redis, command);
  }

  /** Of the books that wish to be told what stands. */
  async wishes(): Promise<string[]> {
    const books = Object.values(await ask(this.#redis, this.#redis.hgetall(this.#keys.books)));
    return books.map((entry) => entry.split(" ")[1] ?? "").filter((wish) => wish !== "");
  }

  async length(): Promise<number> {
    return ask(this.#redis, this.#redis.xlen(this.#keys.ledger));
  }

  #read(id: string, [field, json = ""]: string[]): WrittenEvent {
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
