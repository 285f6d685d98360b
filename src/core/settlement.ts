import type { Settlement } from "./ledger-event.ts";
import type { AttemptOutcome, LeaseEnd, Mover } from "./lease.ts";

/** What a guest exits with when it has checkpointed and wants its place in the queue back. */
export const checkpointedExitCode = 85;

export interface AttemptEnd {
  /** Who made the lease end; `guest`: nobody, it left by itself. */
  readonly mover: Mover;
  readonly end: LeaseEnd;
  /** Somebody asked for the guest to be cancelled. */
  readonly cancelled: boolean;
  /** Its agent or host vanished: `end` holds what was last known of it. */
  readonly agentLost: boolean;
}

/**
 * What an attempt was worth. A guest that is done lost nothing; every other end keeps the work up to the last checkpoint
 * and loses what came after it. usefulMs + lostMs = workedMs, all whole ms.
 */
export function settle(attempt: AttemptEnd): Settlement {
  const outcome = outcomeOf(attempt);
  const { end } = attempt;
  const workedMs = wholeMs(end.workedMs);
  const checkpointAgeMs = end.checkpointAgeMs === null ? null : wholeMs(end.checkpointAgeMs);
  // The age is wall time, in which the guest may have been paused: it cannot have lost more than it worked.
  const sinceCheckpointMs = Math.min(checkpointAgeMs ?? workedMs, workedMs);
  const lostMs = outcome === "done" ? 0 : sinceCheckpointMs;
  return { ...end, workedMs, checkpointAgeMs, outcome, usefulMs: workedMs - lostMs, lostMs };
}

/**
 * Which of its guest's budgets the end of an attempt uses up; null: none. Every attempt that ran and after which its guest is
 * put back uses one, so that a guest runs at most 1 + retries + evictionsMax times.
 *
 * A guest that leaves with exit 85 unasked has not failed, but it could go on so for ever: it counts as if it had been evicted.
 * An attempt that is put back without an exit code never began; that is nobody's fault.
 */
export function budgetOf({
  outcome,
  exitCode,
}: Pick<Settlement, "outcome" | "exitCode">): "retries" | "evictions" | null {
  switch (outcome) {
    case "done":
    case "cancelled":
      return null;
    case "failed":
      return "retries";
    case "evicted":
    case "lost":
      return "evictions";
    case "checkpointed":
      return exitCode === null ? null : "evictions";
  }
}

function outcomeOf({ mover, end, cancelled, agentLost }: AttemptEnd): AttemptOutcome {
  const byItself = mover === "guest";
  if (cancelled && !(byItself && end.exitCode === 0)) return "cancelled";
  if (agentLost) return "lost";
  if (end.exitCode === 0) return "done";
  if (!byItself) return "evicted";
  return end.exitCode === checkpointedExitCode ? "checkpointed" : "failed";
}

function wholeMs(ms: number): number {
  return Math.max(0, Math.round(ms));
}
