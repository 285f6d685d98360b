import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GleanerError } from "../errors/gleaner-error.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** How much the books keep, and how finely. */
export const kept = {
  /** Younger stretches and counts are kept to the ms, older ones are folded into whole hours (UTC). */
  exactMs: 48 * hourMs,
  foldMs: hourMs,
  /** Stretches that are kept to the ms; where more happens, whole hours are folded sooner. */
  stretchesMax: 1_000_000,
  /** Folded hours are forgotten after it. */
  historyMs: 400 * dayMs,
  /** Newest rows. */
  decisionsMax: 100_000,
  waitsMax: 100_000,
  gapsMax: 1_000,
  onceMax: 100_000,
  /** Entries after which those tables are looked at again. */
  pruneEntries: 10_000,
  /** Damaged files that were set aside; the oldest goes. */
  setAsideMax: 8,
} as const;

export type Kept = { readonly [name in keyof typeof kept]: number };

/** Nothing older is kept. */
export function historyFromMs(seenMs: number): number {
  return Math.floor((seenMs - kept.historyMs) / kept.foldMs) * kept.foldMs;
}

const version = 1;

const tables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- account: core/account.ts DeviceAccount, LeaseAccount; facts: lease-facts.ts. JSON, read whole at the start.
CREATE TABLE devices (uuid TEXT PRIMARY KEY, pool TEXT NOT NULL, host TEXT NOT NULL, owner TEXT NOT NULL,
  account TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE live_leases (id TEXT PRIMARY KEY, account TEXT, facts TEXT) STRICT, WITHOUT ROWID;

-- Where device time went. None crosses a whole hour; units are device-µs. lease: of useful time, while it lives.
CREATE TABLE segments (device TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, category TEXT NOT NULL,
  reason TEXT NOT NULL, tenant TEXT NOT NULL, lease TEXT NOT NULL, units INTEGER NOT NULL, folded INTEGER NOT NULL) STRICT;
CREATE INDEX segments_unfolded ON segments (to_ms) WHERE folded = 0;
CREATE INDEX segments_by_lease ON segments (lease, device, from_ms) WHERE lease <> '';

-- What happened how often, on which device, to whose guest.
CREATE TABLE counts (at_ms INTEGER NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL, tenant TEXT NOT NULL,
  n INTEGER NOT NULL, folded INTEGER NOT NULL) STRICT;
CREATE INDEX counts_unfolded ON counts (at_ms) WHERE folded = 0;

CREATE TABLE waits (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, stage TEXT NOT NULL, device TEXT NOT NULL,
  tenant TEXT NOT NULL, ms REAL NOT NULL) STRICT;

CREATE TABLE decisions (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, device TEXT NOT NULL,
  guest TEXT NOT NULL, lease TEXT NOT NULL, reason_code TEXT NOT NULL, reason TEXT NOT NULL,
  forecast_hash TEXT NOT NULL) STRICT;
CREATE INDEX decisions_by_device ON decisions (device, id);
CREATE INDEX decisions_by_guest ON decisions (guest, id);

-- Guests that have not ended by their state; of the ended ones how many.
CREATE TABLE guests (id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE ended_guests (state TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, text TEXT NOT NULL) STRICT;

PRAGMA user_version = ${version};
`;

/** What may come again, by its own name: counted once. Books of before it get the table when they are opened. */
const onceTable =
  "CREATE TABLE IF NOT EXISTS once (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT";

/**
 * Opens the books for writing and makes them where there are none. A file that is no database, or a damaged one, is set
 * aside under another name: `setAside` says which. Throws BOOKS_UNREADABLE where the file cannot be reached or is newer.
 */
export function openForWriting(path: string): {
  readonly db: DatabaseSync;
  readonly setAside: string | null;
} {
  try {
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
    return { db: prepare(path), setAside: null };
  } catch (thrown) {
    if (!isDamage(thrown)) throw unreadable(path, thrown);
    const setAside = moveAside(path);
    return { db: prepare(path), setAside };
  }
}

/** For a report beside a controller that may be writing. Throws BOOKS_UNREADABLE. */
export function openForReading(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    if (userVersion(db) === version) return db;
    db.close();
    throw new Error("not the books of this version of Gleaner");
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function prepare(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    // FULL: the stream in Redis is trimmed as soon as the books have it, so a commit must outlive the power.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    const found = userVersion(db);
    if (found === 0) db.exec(`BEGIN; ${tables} COMMIT`);
    else if (found !== version) throw new Error(`written by another version of Gleaner (format ${found})`);
    db.exec(onceTable);
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

function userVersion(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
}

/** Reads one state of the books, while another process may write. */
export function readAtOnce<T>(db: DatabaseSync, read: () => T): T {
  db.exec("BEGIN");
  try {
    return read();
  } finally {
    db.exec("COMMIT");
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
export function isDamage(thrown: unknown): boolean {
  const code = thrown instanceof Error && "errcode" in thrown ? Number(thrown.errcode) & 0xff : 0;
  return code === 11 || code === 26;
}

export function moveAside(path: string): string {
  const numbers = asideNumbers(path);
  const aside = `${path}.damaged-${(numbers.at(-1) ?? 0) + 1}`;
  for (const suffix of suffixes) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  for (const number of numbers.slice(0, Math.max(0, numbers.length + 1 - kept.setAsideMax)))
    for (const suffix of suffixes) rmSync(`${path}.damaged-${number}${suffix}`, { force: true });
  return aside;
}

const suffixes = ["", "-wal", "-shm"] as const;

/** Oldest first. */
function asideNumbers(path: string): number[] {
  const found = readdirSync(dirname(path)).flatMap((name) => {
    const number = name.startsWith(`${basename(path)}.damaged-`)
      ? /\.damaged-(\d+)$/.exec(name)?.[1]
      : undefined;
    return number === undefined ? [] : [Number(number)];
  });
  return found.toSorted((a, b) => a - b);
}

export function unreadable(path: string, thrown: unknown): GleanerError {
  const problem = thrown instanceof Error ? thrown.message : String(thrown);
  return new GleanerError("BOOKS_UNREADABLE", { path, problem }, { cause: thrown });
}
