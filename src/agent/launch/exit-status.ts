import { constants } from "node:os";
import type { Disk } from "../disk/disk.ts";

/** How the first process of an attempt ended. */
export interface ExitStatus {
  /** null: by a signal. */
  readonly code: number | null;
  /** Empty: by itself. */
  readonly signal: string;
}

const killed: ExitStatus = { code: null, signal: "SIGKILL" };

/** What the launcher wrote; null while its line is not whole. */
export function readExitStatus(disk: Disk, file: string): ExitStatus | null {
  const text = disk.read(file);
  if (text?.endsWith("\n") !== true) return null;
  return /^\d{1,3}\n$/.test(text) ? fromShell(Number(text)) : killed;
}

/** Of an attempt with no process left: without a file the launcher itself was killed, and all with it. */
export function finalExitStatus(disk: Disk, file: string): ExitStatus {
  return readExitStatus(disk, file) ?? killed;
}

/** A shell says 128 + n for an end by signal n. A program that exits with such a code by itself cannot be told from it. */
function fromShell(status: number): ExitStatus {
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  if (signal !== undefined) return { code: null, signal };
  return { code: status, signal: "" };
}
