import { readFileSync } from "node:fs";

/** The first process of a guest, as the launcher wrote it; null: not yet, or it never came so far. */
export function mainPid(file: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(file, "latin1"), 10);
    return Number.isNaN(pid) ? null : pid;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}
