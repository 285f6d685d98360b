import type { Disk } from "../disk/disk.ts";

export interface LaunchPids {
  readonly launcher: number;
  /** The first process of the guest. */
  readonly main: number;
}

/** What the launcher wrote; null: not yet, or it never came so far. */
export function launchPids(disk: Disk, file: string): LaunchPids | null {
  const [launcher = NaN, main = NaN] = (disk.read(file) ?? "").trim().split(" ").map(Number);
  return Number.isInteger(launcher) && Number.isInteger(main) ? { launcher, main } : null;
}
