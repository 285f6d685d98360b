import { constants } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { CycleSettings } from "../core/snapshot.ts";
import {
  journalFiles,
  journalPath,
  journalVersion,
  makeJournalDir,
  removeFile,
  unlessGone,
  type JournalFile,
  type JournalHead,
} from "./decision-files.ts";
import { frameOf } from "./decision-frames.ts";
import { CycleWriter, type DecidedCycle, type JournalledCycle } from "./decision-text.ts";
import { Slices } from "./slices.ts";

export interface JournalPlace {
  readonly dir: string;
  /** Of all files together; at least 1 MiB. */
  readonly bytesMax: number;
  /** The release that decides. */
  readonly release: string;
}

/** What becomes of the cycles that a journal is given. */
export type JournalNews =
  | { readonly kind: "kept" }
  /** The disk is too slow: the next record tells how many were missed. */
  | { readonly kind: "missed" }
  /** It is off from now on. */
  | { readonly kind: "failed"; readonly problem: string };

/** Cycles that may wait for the disk. */
const waitingMax = 8;
/** A file is dropped whole, so it holds only so large a part of all. */
const filesMin = 16;
const mib = 1024 * 1024;

interface OpenFile {
  readonly path: string;
  readonly writer: CycleWriter;
  readonly firstBytes: number;
  bytes: number;
}

/**
 * Keeps what the core saw and decided, so that every decision can be made again (I7). Of the cycles it is given it keeps those that
 * lend something or decide about anything differently from the one kept before: the others say the same again. A file begins with
 * a whole snapshot; each record after it holds what changed. The oldest files are dropped when the bound is reached.
 *
 * Nobody waits for it: it works in slices after the decision. What it cannot write it gives up, and says so.
 */
export class DecisionJournal {
  readonly #place: JournalPlace;
  readonly #settings: CycleSettings;
  readonly #tell: (news: JournalNews) => void;
  readonly #waiting: DecidedCycle[] = [];
  #lastTaken: DecidedCycle | null = null;
  #missed = 0;
  #writing: Promise<void> | null = null;
  #file: OpenFile | null = null;
  /** Closed files, oldest first. */
  #others: JournalFile[] = [];
  #isOff = false;

  constructor(place: JournalPlace, settings: CycleSettings, tell: (news: JournalNews) => void) {
    this.#place = place;
    this.#settings = settings;
    this.#tell = tell;
  }

  /** Returns at once. */
  record(cycle: DecidedCycle): void {
    if (this.#isOff || (this.#lastTaken !== null && decidesTheSame(this.#lastTaken, cycle))) return;
    if (this.#waiting.length >= waitingMax) {
      this.#miss();
      return;
    }
    this.#lastTaken = cycle;
    this.#waiting.push(cycle);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything taken so far is on the disk or given up. */
  async close(): Promise<void> {
    await this.#writing;
    this.#isOff = true;
  }

  async #writeAll(): Promise<void> {
    await setImmediate();
    try {
      for (let cycle = this.#waiting[0]; cycle !== undefined; cycle = this.#waiting[0]) {
        await this.#write(cycle);
        this.#waiting.shift();
      }
    } catch (thrown) {
      this.#isOff = true;
      this.#waiting.length = 0;
      this.#lastTaken = null;
      this.#tell({ kind: "failed", problem: thrown instanceof Error ? thrown.message : String(thrown) });
    }
    this.#writing = null;
  }

  async #write(cycle: DecidedCycle): Promise<void> {
    if (this.#file === null || this.#isFull(this.#file)) return this.#begin(cycle);
    const file = this.#file;
    const missed = this.#missed;
    const record = await this.#recordOf({ ...cycle, missed }, file.writer);
    if ((await this.#makeRoom(record.length, file.bytes)) && (await appendTo(file.path, record))) {
      file.bytes += record.length;
      this.#kept(missed);
      return;
    }
    // Somebody removed the file, or the cycle is far larger than those before: the next one begins a new file.
    this.#file = null;
    this.#miss();
  }

  async #begin(cycle: DecidedCycle): Promise<void> {
    const { dir, bytesMax, release } = this.#place;
    const head: JournalHead = {
      journal: "gleaner decisions",
      version: journalVersion,
      release,
      settings: this.#settings,
    };
    const writer = new CycleWriter();
    const missed = this.#missed;
    const record = Buffer.concat([
      await frameOf([Buffer.from(`${JSON.stringify(head)}\n`)]),
      await this.#recordOf({ ...cycle, missed }, writer),
    ]);
    const bytes = record.length;
    if (bytes > bytesMax / 4)
      throw new Error(
        `one cycle of this fleet takes ${Math.ceil(bytes / mib)} MiB, and decisions.keptMibMax is ${bytesMax / mib}: ` +
          `give it at least ${Math.ceil((4 * bytes) / mib)}`,
      );
    await makeJournalDir(dir);
    this.#others = await journalFiles(dir);
    await this.#makeRoom(bytes, 0);
    const path = journalPath(dir, Math.max(cycle.atMs, (this.#others.at(-1)?.beganMs ?? 0) + 1));
    await writeFile(path, record, { flag: "wx" });
    this.#file = { path, writer, firstBytes: bytes, bytes };
    this.#kept(missed);
  }

  async #recordOf(cycle: JournalledCycle, writer: CycleWriter): Promise<Buffer> {
    return frameOf(await writer.write(cycle, new Slices()));
  }

  /** A file is worth as much as its whole snapshot takes, at the least. */
  #isFull({ bytes, firstBytes }: OpenFile): boolean {
    return bytes - firstBytes >= Math.max(this.#place.bytesMax / filesMin, firstBytes);
  }

  /** Drops the oldest files; false: even without them there is no room. */
  async #makeRoom(bytes: number, ownBytes: number): Promise<boolean> {
    let total = ownBytes + bytes;
    for (const other of this.#others) total += other.bytes;
    while (total > this.#place.bytesMax) {
      const oldest = this.#others.shift();
      if (oldest === undefined) return false;
      await removeFile(oldest.path);
      total -= oldest.bytes;
    }
    return true;
  }

  /** The record tells of so many that were missed. */
  #kept(missed: number): void {
    this.#missed -= missed;
    this.#tell({ kind: "kept" });
  }

  #miss(): void {
    this.#missed++;
    this.#lastTaken = null;
    this.#tell({ kind: "missed" });
  }
}

/** False: there is no such file. */
async function appendTo(path: string, bytes: Buffer): Promise<boolean> {
  const file = await unlessGone(open(path, constants.O_WRONLY | constants.O_APPEND));
  if (file === null) return false;
  try {
    await file.writeFile(bytes);
  } finally {
    await file.close();
  }
  return true;
}

/** Lends nothing, and says of every guest and device what the other said. */
function decidesTheSame(before: DecidedCycle, { snapshot, decisions }: DecidedCycle): boolean {
  const { guests, devices } = before.snapshot;
  return (
    decisions.lends.length === 0 &&
    before.decisions.lends.length === 0 &&
    Buffer.compare(before.decisions.waits, decisions.waits) === 0 &&
    Buffer.compare(before.decisions.unlent, decisions.unlent) === 0 &&
    snapshot.guests.every(({ id }, place) => id === guests[place]?.id) &&
    snapshot.devices.every(({ info }, place) => info.uuid === devices[place]?.info.uuid)
  );
}
