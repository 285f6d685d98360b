import { attemptName, type LeaseDirs } from "../disk/lease-dirs.ts";
import type { LeaseTable } from "../lease/lease-table.ts";
import type { AttemptLog } from "./guest-log.ts";
import type { ReadableLog } from "./log-reader.ts";

/** The log of an attempt that runs or ran here; `wanted` 0: of the latest. null: none is kept. */
export function attemptLog(
  table: LeaseTable,
  dirs: LeaseDirs,
  openLog: (dir: string) => AttemptLog,
  guestId: string,
  wanted: number,
): ReadableLog | null {
  const attempts = dirs.attemptsOf(guestId);
  const attempt = wanted === 0 ? attempts[0] : attempts.find((kept) => kept === wanted);
  if (attempt === undefined) return null;
  const runner = table.ofAttempt(attemptName({ guestId, attempt }));
  const log = runner?.log ?? openLog(dirs.pathsOf({ guestId, attempt }).dir);
  return { attempt, log, hasEnded: () => runner === undefined || runner.state === "released" };
}
