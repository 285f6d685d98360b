import type { Rung } from "./policy.ts";

/** An owner's explicit wish to have a lease's devices back, as one lease sees it. Times on the agent's clock, ms. */
export interface RecallDemand {
  readonly recallId: string;
  readonly arrivedAtMs: number;
  /** When the devices must be released. */
  readonly deadlineAtMs: number;
  readonly firstRung: Rung;
}

/** Everything by which an owner may stand against a guest. */
export interface OwnerDemands {
  /** Since when telemetry sees the owner's work, or cannot exclude it; null: it sees none. */
  readonly activitySinceMs: number | null;
  /** A Busy hint. */
  readonly hint: { readonly sinceMs: number; readonly endsAtMs: number } | null;
  readonly recalls: readonly RecallDemand[];
}

export const noDemands: OwnerDemands = { activitySinceMs: null, hint: null, recalls: [] };

/** Distinct recalls that one lease tells apart; further ones are merged into the last, to the stricter side. */
const recallsMax = 16;

const severity: Readonly<Record<Rung, number>> = { pause: 0, vacate: 1, kill: 2 };

/** A recall that is known already can only become stricter: an earlier deadline, a higher rung. */
export function withRecall(demands: OwnerDemands, recall: RecallDemand): OwnerDemands {
  const known = demands.recalls.findIndex((other) => other.recallId === recall.recallId);
  const at = known >= 0 ? known : demands.recalls.length < recallsMax ? -1 : recallsMax - 1;
  if (at < 0) return { ...demands, recalls: [...demands.recalls, recall] };
  return {
    ...demands,
    recalls: demands.recalls.map((other, index) => (index === at ? stricterOf(other, recall) : other)),
  };
}

function stricterOf(a: RecallDemand, b: RecallDemand): RecallDemand {
  return {
    ...a,
    deadlineAtMs: Math.min(a.deadlineAtMs, b.deadlineAtMs),
    firstRung: severity[a.firstRung] >= severity[b.firstRung] ? a.firstRung : b.firstRung,
  };
}

/** Ends one recall, or the hint where the id is empty. */
export function withdrawn(demands: OwnerDemands, recallId: string): OwnerDemands {
  if (recallId === "") return { ...demands, hint: null };
  return { ...demands, recalls: demands.recalls.filter((recall) => recall.recallId !== recallId) };
}

/** The strongest demand that stands: what a step is done for, and since when the owner waits. */
export interface StandingDemand {
  readonly mover: "activity" | "owner";
  readonly sinceMs: number;
  readonly recallId: string;
  readonly detail: string;
}

export function standingDemand(demands: OwnerDemands, nowMs: number): StandingDemand | null {
  const recall = demands.recalls[0];
  if (recall !== undefined)
    return {
      mover: "owner",
      sinceMs: recall.arrivedAtMs,
      recallId: recall.recallId,
      detail: `recall ${recall.recallId}`,
    };
  const { hint, activitySinceMs } = demands;
  if (hint !== null && nowMs < hint.endsAtMs)
    return { mover: "owner", sinceMs: hint.sinceMs, recallId: "", detail: "the owner announced work" };
  if (activitySinceMs !== null)
    return {
      mover: "activity",
      sinceMs: activitySinceMs,
      recallId: "",
      detail: "the owner works on the device",
    };
  return null;
}
