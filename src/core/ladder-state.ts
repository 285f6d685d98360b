import type { LeaseState, Mover } from "./lease.ts";
import { noDemands, type OwnerDemands, type RecallDemand } from "./owner-demand.ts";
import type { Rung, VacateFromPause } from "./policy.ts";

/** What the pool, the guest and the settings say of one lease. */
export interface LadderRules {
  readonly recallDeadlineMs: number;
  /** How long the guest may stay paused. */
  readonly pauseBudgetMs: number;
  /** What an owner who works asks for without a word: `pause` alone, or after it at once the way out. */
  readonly firstRung: Rung;
  readonly vacateFromPause: VacateFromPause;
  /** From SIGTERM to SIGKILL where time allows. */
  readonly noticeMs: number;
  /** SIGKILL comes this long before a deadline. */
  readonly killMarginMs: number;
  /** Allowance for clocks that run apart within a term. */
  readonly driftMs: number;
  /** From SIGKILL to the proof that nothing is left; also the longest that a freeze may take. */
  readonly proofMs: number;
}

/** Why a step was taken, and since when an owner waits for it (null: none does). */
export interface Cause {
  readonly mover: Mover;
  readonly sinceMs: number | null;
  readonly recallId: string;
  readonly detail: string;
}

/** Where one lease stands. Plain data: it is kept on disk as it is. Times are ms on the agent's own clock. */
export interface Ladder {
  readonly rules: LadderRules;
  readonly state: LeaseState;
  readonly stateSinceMs: number;
  readonly cause: Cause;
  readonly demands: OwnerDemands;
  /** The controller wants it paused until its next resume. */
  readonly pauseAsked: Cause | null;
  readonly vacateAsked: { readonly atMs: number; readonly noticeMs: number; readonly cause: Cause } | null;
  readonly killAsked: Cause | null;
  /** `sentAtMs`: when the renewal left that was acknowledged last. */
  readonly term: { readonly sentAtMs: number; readonly endsAtMs: number };
  /** A freeze was asked for at this time and is not seen yet. */
  readonly freezingSinceMs: number | null;
  /** While vacating: when the notice is over. */
  readonly noticeEndsAtMs: number | null;
  /** While killing: until when the proof must be there. */
  readonly proofByMs: number | null;
  /** While killing or quarantined: when SIGKILL is repeated. */
  readonly killAgainAtMs: number | null;
}

export type LadderEvent =
  | { readonly type: "launched" }
  /** The freeze is seen in every process. */
  | { readonly type: "frozen" }
  | { readonly type: "activity"; readonly busy: boolean }
  | { readonly type: "hint"; readonly endsAtMs: number }
  | { readonly type: "recalled"; readonly recall: RecallDemand }
  /** Ends a recall that has not vacated yet, or the hint where the id is empty. */
  | { readonly type: "withdrawn"; readonly recallId: string }
  | { readonly type: "pause"; readonly cause: Cause }
  | { readonly type: "resume" }
  | { readonly type: "vacate"; readonly noticeMs: number; readonly cause: Cause }
  | { readonly type: "kill"; readonly cause: Cause }
  | { readonly type: "renewed"; readonly sentAtMs: number; readonly endsAtMs: number }
  | { readonly type: "rules"; readonly rules: LadderRules }
  /** The guest's first process ended. `byNotice`: of the SIGTERM itself, so that its children may not have heard it. */
  | { readonly type: "mainEnded"; readonly byNotice: boolean }
  /** Proven: no process is left. */
  | { readonly type: "emptied" }
  | { readonly type: "tick" };

/** `terminate` is SIGTERM, then a thaw; `kill` is SIGKILL, effective also on what is frozen. */
export type LadderAction = "freeze" | "thaw" | "terminate" | "kill";

export const controllerCause: Cause = { mover: "controller", sinceMs: null, recallId: "", detail: "" };

export function newLadder(rules: LadderRules, term: Ladder["term"], nowMs: number): Ladder {
  return {
    rules,
    state: "starting",
    stateSinceMs: nowMs,
    cause: controllerCause,
    demands: noDemands,
    pauseAsked: null,
    vacateAsked: null,
    killAsked: null,
    term,
    freezingSinceMs: null,
    noticeEndsAtMs: null,
    proofByMs: null,
    killAgainAtMs: null,
  };
}
