import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { Account } from "../core/account.ts";
import type { DemandPast, DemandQuery } from "../core/reserve/demand-past.ts";
import type { GuestState } from "../core/guest.ts";
import type { LedgerEvent, WrittenEvent } from "../core/ledger-event.ts";
import type { DecisionQuery, DecisionView, ReportQuery } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { computeReport } from "./compute.ts";
import { computeDemand } from "./demand.ts";
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
import { compareIds, noId } from "./stream-id.ts";
import { asTold, Untold } from "./untold.ts";

/** One entry of the ledger's stream; ids are Redis's, `ms-sequence`, and grow. */
export interface LedgerEntry {
  readonly id: string;
  readonly event: WrittenEvent;
}

export interface BooksReader {
  /** Up to the last entry in the books. Throws POOL_NOT_FOUND, BOOKS_UNREADABLE. */
  report(query: ReportQuery): Report;
  /** Newest first. */
  decisions(query: DecisionQuery): readonly DecisionView[];
  /** As far back as they are kept to the ms, up to the last entry. */
  demand(query: DemandQuery): DemandPast;
  close(): void;
}

export interface Books extends BooksReader {
  /** All of them or, when it throws, none; entries that are in the books already are passed over. */
  apply(entries: readonly LedgerEntry[]): void;
  /** Of the newest entry in the books; `0-0` when there is none. */
  lastId(): string;
  /** By which a leader knows that they have not been told what stood when they began; empty: they know. */
  wish(): string;
  /** Entries after `lastId`, up to this one, are forgotten: books that go on from one before are set aside. */
  missed(forgottenTo: string): void;
  /** Time of the newest entry, ms: the controller that wrote it lived then. null when there is none. */
  seenToMs(): number | null;
  endedGuests(): Readonly<Partial<Record<GuestState, number>>>;
}

/**
 * For one writer. A damaged file is set aside and the books begin anew, which the reports then say: who reads the
 * stream from `lastId` on rebuilds them as far as it reaches. `begunAnew` is called with the file's new name, whenever the
 * damage shows, or where they missed what the stream has forgotten.
 */
export function openBooks(
  path: string,
  begunAnew: (setAside: string) => void = () => {},
  bounds: Pick<Kept, "stretchesMax"> = kept,
): Books {
  return new MendingBooks({ path, begunAnew, bounds });
}

interface BooksPlan {
  readonly path: string;
  readonly begunAnew: (setAside: string) => void;
  readonly bounds: Pick<Kept, "stretchesMax">;
}

function openSqlBooks(plan: BooksPlan): SqlBooks {
  const { path, begunAnew } = plan;
  const { db, setAside } = openForWriting(path);
  try {
    const books = new SqlBooks(db, plan, setAside);
    if (setAside !== null) begunAnew(setAside);
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
  begunAnew(setAside);
  return books;
}

/** What fails by damage is thrown, but not a second time: the books have begun anew by then. */
class MendingBooks implements Books {
  readonly #plan: BooksPlan;
  #books: SqlBooks;

  constructor(plan: BooksPlan) {
    this.#plan = plan;
    this.#books = openSqlBooks(plan);
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

  demand(query: DemandQuery): DemandPast {
    return this.#mended(() => this.#books.demand(query));
  }

  endedGuests(): Readonly<Partial<Record<GuestState, number>>> {
    return this.#mended(() => this.#books.endedGuests());
  }

  lastId(): string {
    return this.#books.lastId();
  }

  wish(): string {
    return this.#books.wish();
  }

  missed(forgottenTo: string): void {
    if (this.#books.lastId() === noId) {
      this.#mended(() => this.#books.beginAfter(forgottenTo));
      return;
    }
    this.#books.close();
    this.#books = beginAnew(this.#plan, "The ledger's stream went on for too long without the older books.");
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
    demand: (query) => guarded(() => computeDemand(db, query)),
    close: () => db.close(),
  };
}

class SqlBooks implements Omit<Books, "missed"> {
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
  /** null: they know what stood when they began. */
  #untold: Untold | null = new Untold(randomUUID());
  #saysWhereItBegins: boolean;

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
    this.#saysWhereItBegins = setAside !== null;
    if (setAside !== null)
      this.#records.gap(0, 0, `${why} They were set aside as ${setAside}; these begin anew.`);
  }

  report(query: ReportQuery): Report {
    return this.#reader.report(query);
  }

  decisions(query: DecisionQuery): readonly DecisionView[] {
    return this.#reader.decisions(query);
  }

  demand(query: DemandQuery): DemandPast {
    return this.#reader.demand(query);
  }

  close(): void {
    this.#reader.close();
  }

  lastId(): string {
    return this.#lastId;
  }

  seenToMs(): number | null {
    return this.#seenMs === 0 ? null : this.#seenMs;
  }

  wish(): string {
    return this.#untold?.wish ?? "";
  }

  /** For books that hold nothing. */
  beginAfter(id: string): void {
    this.#records.saveMeta("last_id", id);
    this.#lastId = id;
  }

  endedGuests(): Readonly<Partial<Record<GuestState, number>>> {
    return this.#records.endedGuests();
  }

  apply(entries: readonly LedgerEntry[]): void {
    const fresh = entries.filter(({ id }) => compareIds(id, this.#lastId) > 0);
    const last = fresh.at(-1);
    if (last === undefined) return;
    this.#db.exec("BEGIN IMMEDIATE");
    let untold: Untold | null;
    try {
      untold = this.#write(fresh);
      this.#records.saveMeta("last_id", last.id);
      this.#records.saveMeta("seen_ms", String(this.#seenMs));
      this.#db.exec("COMMIT");
    } catch (thrown) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      if (!isDamage(thrown)) this.#load();
      throw thrown;
    }
    this.#lastId = last.id;
    this.#untold = untold;
  }

  /** Answers what is untold afterwards. */
  #write(entries: readonly LedgerEntry[]): Untold | null {
    const changed = { devices: new Set<string>(), leases: new Set<string>() };
    let untold = this.#untold;
    for (const { event } of entries) {
      this.#seenMs = Math.max(this.#seenMs, event.atMs);
      const toBook = untold === null ? asTold(event) : untold.read(event, this.#account);
      for (const each of toBook) {
        if (event.type === "standing") this.#sayWhereItBegins(each);
        this.#book(each, changed);
      }
      if (untold?.endsWith(event) !== true) continue;
      untold = null;
      this.#records.saveMeta("told", "1");
    }
    const { devices, leases } = changed;
    for (const uuid of devices) this.#records.saveDevice(this.#account.devices.get(uuid)!);
    for (const id of leases) this.#records.saveLease(id, this.#account.leases.get(id), this.#facts.get(id));
    this.#fold();
    this.#entriesUnpruned += entries.length;
    if (this.#entriesUnpruned >= kept.pruneEntries) {
      this.#entriesUnpruned = 0;
      this.#records.prune();
    }
    return untold;
  }

  #book(event: LedgerEvent, { devices, leases }: { devices: Set<string>; leases: Set<string> }): void {
    if (!this.#records.isNews(event)) return;
    const entry = this.#account.apply(event);
    for (const posting of entry.postings) this.#postings.post(posting);
    for (const loss of entry.losses) this.#postings.lose(loss);
    for (const uuid of entry.devices) devices.add(uuid);
    for (const id of entry.leases) leases.add(id);
    if (event.type === "lent" || event.type === "step") leases.add(event.leaseId);
    for (const { device, name } of entry.returns)
      this.#records.count({ atMs: event.atMs, name, device, tenant: "" });
    this.#records.record(event, factsOf(event, this.#facts), this.#facts);
  }

  /** `told`: something that they did not know. */
  #sayWhereItBegins(told: LedgerEvent): void {
    const isNew =
      told.type === "lent" || (told.type === "device" && !this.#account.devices.has(told.device.uuid));
    if (this.#saysWhereItBegins || !isNew) return;
    this.#saysWhereItBegins = true;
    const since = new Date(told.atMs).toISOString();
    this.#records.gap(0, 0, `These books begin at ${since}; what was before is in the other controller's.`);
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
    if (saved.isTold) this.#untold = null;
    this.#postings.recount();
  }
}

function wholeHourMs(ms: number): number {
  return Math.floor(ms / kept.foldMs) * kept.foldMs;
}
