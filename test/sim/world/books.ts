import { Account } from "../../../src/core/account.ts";
import type { LedgerEvent } from "../../../src/core/ledger-event.ts";
import { noId } from "../../../src/report/stream-id.ts";
import { asTold, Untold } from "../../../src/report/untold.ts";
import type { LedgerEntry } from "../../../src/store/ledger-stream.ts";

/** One controller's books: they outlive it, as a file would. The production account keeps them. */
export class BooksFile {
  readonly account = new Account();
  readonly events: LedgerEvent[] = [];
  /** Device-µs booked, by device. */
  readonly bookedUs = new Map<string, number>();
  /** Entries that were forgotten before they were read. */
  missedTo: string | null = null;
  #untold: Untold | null;
  #lastId = noId;
  #seenToMs: number | null = null;

  constructor(name: string) {
    this.#untold = new Untold(name);
  }

  get seenToMs(): number | null {
    return this.#seenToMs;
  }

  lastId(): string {
    return this.#lastId;
  }

  wish(): string {
    return this.#untold?.wish ?? "";
  }

  missed(forgottenTo: string): void {
    if (this.#lastId !== noId) this.missedTo = forgottenTo;
    this.#lastId = forgottenTo;
  }

  apply(entries: readonly LedgerEntry[]): void {
    for (const { id, event } of entries) {
      this.#lastId = id;
      this.#seenToMs = Math.max(this.#seenToMs ?? 0, event.atMs);
      for (const each of this.#untold?.read(event, this.account) ?? asTold(event)) this.#book(each);
      if (this.#untold?.endsWith(event) === true) this.#untold = null;
    }
  }

  #book(event: LedgerEvent): void {
    this.events.push(event);
    for (const { device, fromMs, toMs, permille } of this.account.apply(event).postings)
      this.bookedUs.set(device, (this.bookedUs.get(device) ?? 0) + (toMs - fromMs) * permille);
  }
}
