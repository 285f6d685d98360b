import { readFileSync } from "node:fs";

export interface LaunchPids {
  readonly launcher: number;
  /** The first process of the guest. */
  readonly main: number;
}

/** What the launcher wrote; null: not yet, or it never came so far. */
export function launchPids(file: string): LaunchPids | null {
  try {
    const [launcher = NaN, main = NaN] = readFileSync(file, "latin1").trim().split(" ").map(Number);
    return Number.isInteger(launcher) && Number.isInteger(main) ? { launcher, main } : null;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}
