import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Books, LedgerEntry } from "./books.ts";
import { compareIds } from "./stream-id.ts";

/** Entries in one transaction of the books; between two the event loop turns. */
const batchMax = 1_000;

/** The ledger's stream, as far as the drain needs it. */
export interface LedgerSource {
  /** In the order of the stream, those after `id`. */
  readAfter(id: string, count: number): Promise<readonly LedgerEntry[]>;
  /** Everything up to `id` is in the reader's books. Answers up to where the stream is forgotten, which may be by that. */
  booked(reader: string, id: string, wish: string): Promise<string>;
}

export interface Drain extends AsyncDisposable {
  /** Resolves when everything that was in the stream at the call is in the books; throws what kept it from it. */
  flush(): Promise<void>;
  /** Stops after a last flush; throws when that failed, and the stream then keeps what is missing. */
  close(): Promise<void>;
}

/** Moves the ledger from the stream into the books. The stream forgets only what the books of all its readers hold. */
export function startDrain(parts: {
  readonly stream: LedgerSource;
  /** Whose books they are. */
  readonly reader: string;
  readonly books: Pick<Books, "apply" | "lastId" | "wish" | "missed">;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}): Drain {
  const { stream, reader, books, intervalMs, clock, log } = parts;
  const stop = new AbortController();
  let moving: Promise<void> | null = null;

  async function moveAll(): Promise<void> {
    for (;;) {
      const entries = await stream.readAfter(books.lastId(), batchMax);
      // Only now is it sure that none was forgotten before they were read.
      if (!(await isInPlace())) continue;
      if (entries.length > 0) books.apply(entries);
      if (entries.length < batchMax) break;
    }
    await isInPlace();
  }

  async function isInPlace(): Promise<boolean> {
    const forgottenTo = await stream.booked(reader, books.lastId(), books.wish());
    if (compareIds(forgottenTo, books.lastId()) <= 0) return true;
    books.missed(forgottenTo);
    return false;
  }

  /** One at a time: two would read the same entries. */
  async function move(): Promise<void> {
    moving ??= moveAll().finally(() => (moving = null));
    await moving;
  }

  async function flush(): Promise<void> {
    // A run under way may have read before the caller's entries were written.
    if (moving !== null) await moving.catch(() => {});
    await move();
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stop.signal.aborted) {
      try {
        await move();
        if (failures > 0) log.info({ failures }, "the books follow the ledger again");
        failures = 0;
      } catch (thrown) {
        failures += 1;
        if (failures === 1) log.error({ err: thrown }, "the books cannot follow the ledger; trying again");
      }
      await clock.sleep(intervalMs, stop.signal);
    }
  }

  const running = run();
  const close = async () => {
    stop.abort();
    await running;
    await flush();
  };
  return { flush, close, [Symbol.asyncDispose]: close };
}
