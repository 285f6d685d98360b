import type { PoolPolicy, Rung } from "./policy.ts";

/**
 * How long a recall leaves a guest from SIGTERM to SIGKILL at most, ms: the ladder kills `killMarginMs` before the deadline, and gives
 * none to whom it kills at once or may not thaw.
 */
export function noticeLeftMs(
  recall: { readonly firstRung: Rung; readonly deadlineMs: number },
  vacateFromPause: PoolPolicy["vacateFromPause"],
  isPaused: boolean,
  killMarginMs: number,
): number {
  const { firstRung, deadlineMs } = recall;
  const leavesFrozen = firstRung === "pause" || isPaused;
  if (firstRung === "kill" || (leavesFrozen && vacateFromPause === "kill")) return 0;
  return Math.max(0, deadlineMs - killMarginMs);
}
