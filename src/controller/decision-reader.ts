import { readFile } from "node:fs/promises";
import type { CycleSettings } from "../core/snapshot.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import {
  journalFiles,
  journalVersion,
  unlessGone,
  type JournalFile,
  type JournalHead,
} from "./decision-files.ts";
import { textsOf } from "./decision-frames.ts";
import { CycleReader, type JournalledCycle } from "./decision-text.ts";

/** A cycle, and what decided it. */
export interface ReadCycle extends JournalledCycle {
  readonly path: string;
  readonly release: string;
  readonly settings: CycleSettings;
}

/**
 * The cycles that a journal's directory holds, in the order in which they were decided; `sinceMs` is wall clock. What cannot be
 * read is told to `onUnreadable` and passed over. Throws DECISIONS_NOT_FOUND, and DECISIONS_UNREADABLE where no file can be read.
 */
export async function* readDecisions(
  dir: string,
  {
    sinceMs,
    onUnreadable,
  }: { readonly sinceMs: number; readonly onUnreadable: (error: GleanerError) => void },
): AsyncGenerator<ReadCycle> {
  const files = await filesIn(dir);
  const unreadable: GleanerError[] = [];
  let isAnyRead = false;
  for (const [place, file] of files.entries()) {
    // The last file that begins before the time holds what was decided at it.
    const isPast = (files[place + 1]?.beganMs ?? Infinity) <= sinceMs;
    const bytes = isPast ? null : await unlessGone(readFile(file.path));
    if (bytes === null) continue;
    for (const cycle of cyclesOf(file, bytes)) {
      if (cycle instanceof GleanerError) {
        unreadable.push(cycle);
        continue;
      }
      isAnyRead = true;
      if (cycle.atMs >= sinceMs) yield cycle;
    }
    if (isAnyRead) unreadable.splice(0).forEach(onUnreadable);
  }
  const [first] = unreadable;
  if (first !== undefined) throw first;
}

async function filesIn(dir: string): Promise<JournalFile[]> {
  try {
    const files = await journalFiles(dir);
    if (files.length > 0) return files;
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR")
      throw new GleanerError("FILE_UNREADABLE", { path: dir, problem: message }, { cause: thrown });
  }
  throw new GleanerError("DECISIONS_NOT_FOUND", { path: dir });
}

/** A record that cannot be read is the last of its file: those after it build on it. */
function* cyclesOf({ path }: JournalFile, bytes: Buffer): Generator<ReadCycle | GleanerError> {
  const reader = new CycleReader();
  let head: JournalHead | null = null;
  let place = 0;
  try {
    for (const text of textsOf(bytes)) {
      if (text === null) {
        const torn = `record ${place} is torn: its writer died there, or is still writing it`;
        yield unreadable(path, place === 0 ? "is no journal of decisions, or torn at its beginning" : torn);
        return;
      }
      if (head === null) head = headOf(text);
      else yield { ...reader.read(text), path, release: head.release, settings: head.settings };
      place++;
    }
  } catch (thrown) {
    yield unreadable(
      path,
      thrown instanceof Error ? `record ${place}: ${thrown.message}` : String(thrown),
      thrown,
    );
  }
}

function headOf(text: string): JournalHead {
  const head = JSON.parse(text) as Partial<JournalHead>;
  if (head.journal !== "gleaner decisions") throw new Error("is no journal of decisions");
  if (head.version !== journalVersion)
    throw new Error(
      `written by release ${head.release ?? "?"} in version ${head.version ?? "?"} of the format; this release reads ${journalVersion}`,
    );
  return head as JournalHead;
}

function unreadable(path: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError("DECISIONS_UNREADABLE", { path, problem }, { cause });
}
