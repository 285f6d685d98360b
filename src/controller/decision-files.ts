import { mkdir, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { CycleSettings } from "../core/snapshot.ts";

/** Where the journal of decisions lies and how its files begin. */

/** In the controller's data directory. */
export const decisionsDirName = "decisions";

/** Of the format. */
export const journalVersion = 2;

/** The first record of each file, as JSON. */
export interface JournalHead {
  readonly journal: "gleaner decisions";
  readonly version: number;
  /** The release that decided. */
  readonly release: string;
  readonly settings: CycleSettings;
}

export interface JournalFile {
  readonly path: string;
  readonly bytes: number;
  /** Wall clock of its first cycle. */
  readonly beganMs: number;
}

const suffix = ".jsonl.zst";
/** 13 digits of ms, so that names sort by time. */
const namePattern = /^decisions-(\d{13})\.jsonl\.zst$/;

export function journalPath(dir: string, beganMs: number): string {
  return join(dir, `decisions-${String(Math.trunc(beganMs)).padStart(13, "0")}${suffix}`);
}

/** Oldest first. Throws what the system throws, ENOENT where the directory is missing. */
export async function journalFiles(dir: string): Promise<JournalFile[]> {
  const files: JournalFile[] = [];
  for (const name of (await readdir(dir)).toSorted()) {
    const beganMs = namePattern.exec(name)?.[1];
    if (beganMs === undefined) continue;
    const path = join(dir, name);
    const found = await unlessGone(stat(path));
    if (found !== null) files.push({ path, bytes: found.size, beganMs: Number(beganMs) });
  }
  return files;
}

export async function makeJournalDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
}

export async function removeFile(path: string): Promise<void> {
  await unlessGone(unlink(path));
}

/** null: the file is not there (any more). */
export async function unlessGone<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}
