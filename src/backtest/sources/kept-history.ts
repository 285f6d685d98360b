import { createWriteStream } from "node:fs";
import { open, readFile, realpath, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { z } from "zod";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { lockPath, type DirLock } from "../../runtime/dir-lock.ts";
import { deviceTraceHeader } from "../trace/device-trace.ts";
import { writing } from "../writing.ts";
import type { HistoryMoment } from "./readings.ts";

/** What a history was asked for by. Times as they were written: `7d` is another time in each run. */
const askedSchema = z.strictObject({
  url: z.string(),
  preset: z.string(),
  poolLabel: z.string().nullable(),
  since: z.string(),
  until: z.string().nullable(),
});

/** How far it is. The file is good up to `bytes`; what lies beyond is torn. */
const recordSchema = z.strictObject({
  asked: askedSchema,
  since: z.iso.datetime(),
  until: z.iso.datetime(),
  fetchedUntil: z.iso.datetime(),
  rows: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});

export type AskedHistory = z.infer<typeof askedSchema>;

/** Wall clock; the end itself is not in it. */
interface HistoryWindow {
  readonly sinceMs: number;
  readonly untilMs: number;
}

type HistoryRecord = Readonly<z.infer<typeof recordSchema>>;

/**
 * A history in a file, gzip CSV of devices, that grows piece by piece: each is a gzip member of its own. Beside it stands PATH.json, which
 * says how much of the file is good and is replaced whole, after the piece is on the disk; so a process may end at any point. One process at a time has it open.
 * Throws KEPT_HISTORY_REFUSED, FILE_UNREADABLE, FILE_UNWRITABLE.
 */
export class KeptHistory {
  readonly #path: string;
  readonly #lock: DirLock;
  #record: HistoryRecord;

  private constructor(path: string, lock: DirLock, record: HistoryRecord) {
    this.#path = path;
    this.#lock = lock;
    this.#record = record;
  }

  /** Begins one, with the window given, or goes on with one that was asked for by the same words, and keeps its window. */
  static async open(path: string, asked: AskedHistory, window: HistoryWindow): Promise<KeptHistory> {
    const dir = await writing(path, () => realpath(dirname(path)));
    const lock = await lockPath(join(dir, basename(path)), "history", (cause) =>
      refused(path, "another command writes it", cause),
    );
    try {
      const found = await readRecord(path);
      const record = found ?? begun(asked, window);
      const kept = new KeptHistory(path, lock, record);
      if (found === null) await kept.#begin();
      else await kept.#goOn(asked);
      return kept;
    } catch (thrown) {
      await lock.release();
      throw thrown;
    }
  }

  async #begin(): Promise<void> {
    if ((await sizeOf(this.#path)) !== null)
      throw refused(this.#path, `it is there already, and ${recordPath(this.#path)} is not`);
    await this.#save({});
  }

  async #goOn(asked: AskedHistory): Promise<void> {
    const { asked: before, bytes } = this.#record;
    for (const name of Object.keys(asked) as (keyof AskedHistory)[])
      if (before[name] !== asked[name])
        throw refused(this.#path, `it was begun with ${wordsOf(name, before)}, not ${wordsOf(name, asked)}`);
    const size = (await sizeOf(this.#path)) ?? 0;
    if (size < bytes)
      throw refused(this.#path, `it has ${size} bytes; ${recordPath(this.#path)} counts ${bytes}`);
    if (size > bytes) await writing(this.#path, () => cutOff(this.#path, bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock.release();
  }

  get sinceMs(): number {
    return Date.parse(this.#record.since);
  }

  get untilMs(): number {
    return Date.parse(this.#record.until);
  }

  /** All before it is in the file. */
  get fetchedMs(): number {
    return Date.parse(this.#record.fetchedUntil);
  }

  get rows(): number {
    return this.#record.rows;
  }

  /** Adds all that was recorded between `fetchedMs` and a time. */
  async add(moments: readonly HistoryMoment[], rows: number, untilMs: number): Promise<void> {
    const { bytes } = this.#record;
    const total = this.#record.rows + rows;
    // While there is nothing there is nothing to keep: an exporter that was named wrongly may be mended before the next run.
    if (total === 0) return;
    const size = rows === 0 ? bytes : await writing(this.#path, () => this.#append(moments, bytes));
    await this.#save({ fetchedUntil: isoOf(untilMs), rows: total, bytes: size });
  }

  async #append(moments: readonly HistoryMoment[], start: number): Promise<number> {
    const file = createWriteStream(this.#path, { flags: start === 0 ? "w" : "r+", start, flush: true });
    await pipeline(linesOf(moments, this.sinceMs, start === 0), createGzip(), file);
    return start + file.bytesWritten;
  }

  async #save(change: Partial<HistoryRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    const path = recordPath(this.#path);
    await writing(path, async () => {
      {
        await using file = await open(`${path}.part`, "w");
        await file.writeFile(`${JSON.stringify(this.#record, null, 2)}\n`);
        await file.datasync();
      }
      await rename(`${path}.part`, path);
    });
  }
}

function* linesOf(moments: readonly HistoryMoment[], sinceMs: number, first: boolean): Generator<string> {
  if (first) yield `${deviceTraceHeader}\n`;
  for (const { atMs, readings } of moments) {
    const timeS = (atMs - sinceMs) / 1_000;
    const lines = readings.map(
      ({ device, pool, utilPct, memoryUsedMib }) =>
        `${timeS},${device},${pool},${fieldOf(utilPct)},${fieldOf(memoryUsedMib)}\n`,
    );
    yield lines.join("");
  }
}

function begun(asked: AskedHistory, window: HistoryWindow): HistoryRecord {
  const since = isoOf(window.sinceMs);
  return { asked, since, until: isoOf(window.untilMs), fetchedUntil: since, rows: 0, bytes: 0 };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

function fieldOf(value: number): string {
  return Number.isNaN(value) ? "" : String(value);
}

async function readRecord(path: string): Promise<HistoryRecord | null> {
  const text = await ifThere(recordPath(path), (at) => readFile(at, "utf8"));
  if (text === null) return null;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw refused(path, `${recordPath(path)} is no record of a kept history`, cause);
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return (await ifThere(path, (at) => stat(at)))?.size ?? null;
}

async function cutOff(path: string, bytes: number): Promise<void> {
  await using file = await open(path, "r+");
  await file.truncate(bytes);
}

/** Of the record that stands beside a history. */
export function recordPath(path: string): string {
  return `${path}.json`;
}

const optionOf: Readonly<Record<keyof AskedHistory, string>> = {
  url: "--prometheus",
  preset: "--query-preset",
  poolLabel: "--pool-label",
  since: "--since",
  until: "--until",
};

function wordsOf(name: keyof AskedHistory, asked: AskedHistory): string {
  return asked[name] === null ? `no ${optionOf[name]}` : `${optionOf[name]} ${asked[name]}`;
}

async function ifThere<T>(path: string, look: (path: string) => Promise<T>): Promise<T | null> {
  try {
    return await look(path);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new GleanerError("FILE_UNREADABLE", { path, problem: message }, { cause: thrown });
  }
}

function refused(path: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError("KEPT_HISTORY_REFUSED", { path, problem }, { cause });
}
