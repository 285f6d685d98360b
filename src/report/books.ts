import type { DatabaseSync } from "node:sqlite";
import { Account } from "../core/account.ts";
import type { GuestState } from "../core/guest.ts";
import type { LedgerEvent } from "../core/ledger-event.ts";
import type { DecisionQuery, DecisionView, ReportQuery } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { computeReport } from "./compute.ts";
import { factsOf, type LeaseFacts } from "./lease-facts.ts";
import { openPostings } from "./postings.ts";
import { openRecords } from "./records.ts";
import type { Report } from "./report.ts";
import {
  isDamage,
  kept,
  moveAside,
  openForReading,
  openForWriting,
  unreadable,
  type Kept,
} from "./schema.ts";

/** Before every entry of a stream. */
const noId = "0-0";

/** One entry of the ledger's stream; ids are Redis's, `ms-sequence`, and grow. */
export interface LedgerEntry {
  readonly id: string;
  readonly event: LedgerEvent;
}

export interface BooksReader {
  /** Up to the last entry in the books. Throws POOL_NOT_FOUND, BOOKS_UNREADABLE. */
  report(query: ReportQuery): Report;
  /** Newest first. */
  decisions(query: DecisionQuery): readonly DecisionView[];
  close(): void;
}

export interface Books extends BooksReader {
  /** All of them or, when it throws, none; entries that are in the books already are passed over. */
  apply(entries: readonly LedgerEntry[]): void;
  /** Of the newest entry in the books; `0-0` when there is none. */
  lastId(): string;
  /** Time of the newest entry, ms: the controller that wrote it lived then. null when there is none. */
  seenToMs(): number | null;
  endedGuests(): Readonly<Partial<Record<GuestState, number>>>;
}

/**
 * For one writer. A damaged file is set aside and the books begin anew, which the reports then say: who reads the
 * stream from `lastId` on rebuilds them as far as it reaches. `begunAnew` is called then, whenever the damage shows.
 */
export function openBooks(
  path: string,
  begunAnew: () => void = () => {},
  bounds: Pick<Kept, "stretchesMax"> = kept,
): Books {
  return new MendingBooks({ path, begunAnew, bounds });
}

/** As `openBooks`, for who is not to go on from the file that is there since something that happened is not in it. */
export function openBooksAnew(path: string, begunAnew: () => void, why: string): Books {
  return new MendingBooks({ path, begunAnew, bounds: kept }, why);
}

interface BooksPlan {
  readonly path: string;
  readonly begunAnew: () => void;
  readonly bounds: Pick<Kept, "stretchesMax">;
}

function openSqlBooks(plan: BooksPlan): SqlBooks {
  const { path, begunAnew } = plan;
  const { db, setAside } = openForWriting(path);
  try {
    const books = new SqlBooks(db, plan, setAside);
    if (setAside !== null) begunAnew();
    return books;
  } catch (thrown) {
    db.close();
    if (!isDamage(thrown)) throw unreadable(path, thrown);
    return beginAnew(plan);
  }
}

function beginAnew(plan: BooksPlan, why?: string): SqlBooks {
  const { path, begunAnew } = plan;
  const setAside = moveAside(path);
  const books = new SqlBooks(openForWriting(path).db, plan, setAside, why);
  begunAnew();
  return books;
}

/** What fails by damage is thrown, but not a second time: the books have begun anew by then. */
class MendingBooks implements Books {
  readonly #plan: BooksPlan;
  #books: SqlBooks;

  constructor(plan: BooksPlan, whyAnew?: string) {
    this.#plan = plan;
    this.#books = whyAnew === undefined ? openSqlBooks(plan) : beginAnew(plan, whyAnew);
  }

  apply(entries: readonly LedgerEntry[]): void {
    this.#mended(() => this.#books.apply(entries));
  }

  report(query: ReportQuery): Report {
    return this.#mended(() => this.#books.report(query));
  }

  decisions(query: DecisionQuery): readonly DecisionView[] {
    return this.#mended(() => this.#books.decisions(query));
  }

  endedGuests(): Readonly<Partial<Record<GuestState, number>>> {
    return this.#mended(() => this.#books.endedGuests());
  }

  lastId(): string {
    return this.#books.lastId();
  }

  seenToMs(): number | null {
    return this.#books.seenToMs();
  }

  close(): void {
    this.#books.close();
  }

  #mended<T>(act: () => T): T {
    try {
      return act();
    } catch (thrown) {
      if (!isDamage(thrown) && !(thrown instanceof Error && isDamage(thrown.cause))) throw thrown;
      this.#books.close();
      this.#books = beginAnew(this.#plan);
      const problem = "their file was damaged and is set aside; they begin anew";
      throw new GleanerError("BOOKS_UNAVAILABLE", { problem }, { cause: thrown });
    }
  }
}

/** The books as another process writes them. */
export function readBooks(path: string): BooksReader {
  return reader(openForReading(path), path);
}

function reader(db: DatabaseSync, path: string): BooksReader {
  const guarded = <T>(read: () => T): T => {
    try {
      return read();
    } catch (thrown) {
      if (thrown instanceof Error && "errcode" in thrown) throw unreadable(path, thrown);
      throw thrown;
    }
  };
  const decisions = db.prepare(
    `SELECT at_ms AS atMs, kind, device, guest AS guestId, lease AS leaseId, reason_code AS reasonCode, reason,
     forecast_hash AS forecastHash FROM decisions
     WHERE (:device = '' OR device = :device) AND (:guest = '' OR guest = :guest) ORDER BY id DESC LIMIT :count`,
  );
  return {
    report: (query) => guarded(() => computeReport(db, query)),
    decisions: ({ device, guestId, pageSize }) =>
      guarded(() => decisions.all({ device, guest: guestId, count: pageSize }) as unknown as DecisionView[]),
    close: () => db.close(),
  };
}

class SqlBooks implements Books {
  readonly #db: DatabaseSync;
  readonly #reader: BooksReader;
  readonly #postings: ReturnType<typeof openPostings>;
  readonly #records: ReturnType<typeof openRecords>;
  readonly #bounds: BooksPlan["bounds"];
  #account = new Account();
  #facts = new Map<string, LeaseFacts>();
  #lastId = noId;
  #seenMs = 0;
  #exactFromMs = 0;
  #entriesUnpruned = 0;

  constructor(
    db: DatabaseSync,
    { path, bounds }: BooksPlan,
    setAside: string | null,
    why = "Older books could not be read.",
  ) {
    this.#db = db;
    this.#bounds = bounds;
    this.#reader = reader(db, path);
    this.#postings = openPostings(db);
    this.#records = openRecords(db);
    this.#load();
    if (setAside !== null)
      this.#records.gap(0, 0, `${why} They were set aside as ${setAside}; these begin anew.`);
  }

  report(query: ReportQuery): Report {
    return this.#reader.report(query);
  }

  decisions(query: DecisionQuery): readonly DecisionView[] {
    return this.#reader.decisions(query);
  }

  close(): void {
    this.#reader.close();
  }

  lastId(): string {
    return this.#lastId;
  }

  seenToMs(): number | null {
    return this.#lastId === noId ? null : this.#seenMs;
  }

  endedGuests(): Readonly<Partial<Record<GuestState, number>>> {
    return this.#records.endedGuests();
  }

  apply(entries: readonly LedgerEntry[]): void {
    const fresh = entries.filter(({ id }) => compareIds(id, this.#lastId) > 0);
    const last = fresh.at(-1);
    if (last === undefined) return;
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      this.#write(fresh);
      this.#records.saveMeta("last_id", last.id);
      this.#records.saveMeta("seen_ms", String(this.#seenMs));
      this.#db.exec("COMMIT");
    } catch (thrown) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      if (!isDamage(thrown)) this.#load();
      throw thrown;
    }
    this.#lastId = last.id;
  }

  #write(entries: readonly LedgerEntry[]): void {
    const devices = new Set<string>();
    const leases = new Set<string>();
    for (const { event } of entries) {
      this.#seenMs = Math.max(this.#seenMs, event.atMs);
      if (!this.#records.isNews(event)) continue;
      const entry = this.#account.apply(event);
      for (const posting of entry.postings) this.#postings.post(posting);
      for (const loss of entry.losses) this.#postings.lose(loss);
      for (const uuid of entry.devices) devices.add(uuid);
      for (const id of entry.leases) leases.add(id);
      if (event.type === "lent" || event.type === "step") leases.add(event.leaseId);
      this.#records.record(event, factsOf(event, this.#facts), this.#facts);
    }
    for (const uuid of devices) this.#records.saveDevice(this.#account.devices.get(uuid)!);
    for (const id of leases) this.#records.saveLease(id, this.#account.leases.get(id), this.#facts.get(id));
    this.#fold();
    this.#entriesUnpruned += entries.length;
    if (this.#entriesUnpruned < kept.pruneEntries) return;
    this.#entriesUnpruned = 0;
    this.#records.prune();
  }

  /** Into whole hours: what is old and, where there is too much of it, all but the present hour. */
  #fold(): void {
    const isFull = this.#postings.exact > this.#bounds.stretchesMax;
    const beforeMs = wholeHourMs(isFull ? this.#seenMs : this.#seenMs - kept.exactMs);
    if (beforeMs <= this.#exactFromMs) return;
    this.#exactFromMs = beforeMs;
    this.#postings.fold(beforeMs, this.#seenMs);
    this.#records.saveMeta("exact_from_ms", String(beforeMs));
  }

  #load(): void {
    const saved = this.#records.load();
    this.#account = new Account(saved);
    this.#facts = new Map(saved.facts.map((facts) => [facts.id, facts]));
    this.#lastId = saved.lastId;
    this.#seenMs = saved.seenMs;
    this.#exactFromMs = saved.exactFromMs;
    this.#postings.recount();
  }
}

function wholeHourMs(ms: number): number {
  return Math.floor(ms / kept.foldMs) * kept.foldMs;
}

/** Redis stream ids: both halves are numbers, and 10-0 is newer than 9-0. */
function compareIds(a: string, b: string): number {
  const [aMs = 0, aSequence = 0] = a.split("-").map(Number);
  const [bMs = 0, bSequence = 0] = b.split("-").map(Number);
  return aMs - bMs || aSequence - bSequence;
}
