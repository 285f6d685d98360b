import { Account } from "../../../src/core/account.ts";
import type { LedgerEvent } from "../../../src/core/ledger-event.ts";
import type { LedgerEntry } from "../../../src/store/ledger-stream.ts";

/** One controller's books: they outlive it, as a file would. The production account keeps them. */
export class BooksFile {
  readonly account = new Account();
  readonly events: LedgerEvent[] = [];
  /** Device-µs booked, by device. */
  readonly bookedUs = new Map<string, number>();
  #lastId = "0-0";
  #seenToMs: number | null = null;

  get seenToMs(): number | null {
    return this.#seenToMs;
  }

  lastId(): string {
    return this.#lastId;
  }

  apply(entries: readonly LedgerEntry[]): void {
    for (const { id, event } of entries) {
      this.#lastId = id;
      this.events.push(event);
      this.#seenToMs = Math.max(this.#seenToMs ?? 0, event.atMs);
      for (const { device, fromMs, toMs, permille } of this.account.apply(event).postings)
        this.bookedUs.set(device, (this.bookedUs.get(device) ?? 0) + (toMs - fromMs) * permille);
    }
  }
}
