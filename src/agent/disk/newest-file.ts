import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";

/** Entries looked at in one scan; a guest that keeps more than these has its age told by those found first. */
const entriesMax = 10_000;

/** Time of the newest file below a directory, for instance a guest's checkpoints, wall clock, ms; null: there is none. Links are not followed. */
export async function newestFileMs(dir: string): Promise<number | null> {
  let newestMs: number | null = null;
  let entries = 0;
  const pending = [dir];
  for (let next = pending.pop(); next !== undefined && entries < entriesMax; next = pending.pop())
    for (const { name, isDirectory } of await list(next, entriesMax - entries)) {
      entries += 1;
      const path = join(next, name);
      if (isDirectory) pending.push(path);
      else newestMs = Math.max(newestMs ?? 0, await modifiedMs(path));
    }
  return newestMs;
}

async function list(dir: string, most: number): Promise<{ name: string; isDirectory: boolean }[]> {
  const found: { name: string; isDirectory: boolean }[] = [];
  try {
    for await (const entry of await opendir(dir)) {
      found.push({ name: entry.name, isDirectory: entry.isDirectory() });
      if (found.length >= most) break;
    }
  } catch (thrown) {
    ignoreMissing(thrown);
  }
  return found;
}

/** A file that the guest replaces while we look is simply not there. */
async function modifiedMs(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (thrown) {
    ignoreMissing(thrown);
    return 0;
  }
}

function ignoreMissing(thrown: unknown): void {
  if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
}
