import { type Cause, controllerCause, type Ladder } from "./ladder-state.ts";
import type { RecallDemand } from "./owner-demand.ts";

/** When a rung is due, by whichever demand is first, and what for. */
export interface Due {
  readonly atMs: number;
  readonly cause: Cause;
}

const never: Due = { atMs: Infinity, cause: controllerCause };

const termCause: Cause = { ...controllerCause, mover: "term", detail: "the lease's term ran out unrenewed" };

/** When SIGKILL must be sent. */
export function killDue(ladder: Ladder): Due {
  const { rules, demands, killAsked, freezingSinceMs, noticeEndsAtMs, term, cause } = ladder;
  const dues: Due[] = demands.recalls.map((recall) =>
    recall.firstRung === "kill"
      ? { atMs: recall.arrivedAtMs, cause: recallCause(recall, "recalled without notice") }
      : {
          atMs: Math.max(recall.arrivedAtMs, recall.deadlineAtMs - rules.killMarginMs),
          cause: recallCause(recall, "the recall's deadline is near"),
        },
  );
  if (demands.activitySinceMs !== null && rules.firstRung !== "pause") {
    const graceMs = rules.firstRung === "kill" ? 0 : rules.recallDeadlineMs - rules.killMarginMs;
    dues.push({
      atMs: demands.activitySinceMs + Math.max(0, graceMs),
      cause: activityCause(demands.activitySinceMs),
    });
  }
  if (killAsked !== null) dues.push({ atMs: -Infinity, cause: killAsked });
  if (noticeEndsAtMs !== null)
    dues.push({ atMs: noticeEndsAtMs, cause: { ...cause, detail: "still there when the notice ended" } });
  if (freezingSinceMs !== null)
    dues.push({
      atMs: freezingSinceMs + rules.proofMs,
      cause: { ...cause, detail: `not frozen after ${rules.proofMs} ms` },
    });
  // An owner may have called right after the last renewal left and not got through: that deadline is kept too.
  const unheardMs = term.sentAtMs + rules.recallDeadlineMs - rules.driftMs - rules.killMarginMs;
  dues.push({ atMs: Math.max(term.endsAtMs, unheardMs), cause: termCause });
  return earliest(dues);
}

/** When the guest must be told to leave. */
export function vacateDue(ladder: Ladder): Due {
  const { rules, demands, vacateAsked, term, cause } = ladder;
  const dues: Due[] = [];
  for (const recall of demands.recalls) {
    if (recall.firstRung === "vacate")
      dues.push({ atMs: recall.arrivedAtMs, cause: recallCause(recall, "recalled") });
    // Where the pool forbids the thaw there is no notice to give: the recall waits, frozen, for its kill.
    else if (recall.firstRung === "pause" && rules.vacateFromPause === "thaw")
      dues.push({
        atMs: Math.max(recall.arrivedAtMs, recall.deadlineAtMs - rules.killMarginMs - rules.noticeMs),
        cause: recallCause(recall, "recalled; what is left until the deadline is its notice"),
      });
  }
  if (vacateAsked !== null) dues.push({ atMs: vacateAsked.atMs, cause: vacateAsked.cause });
  // Frozen first: the compute is back at once, whatever the way out takes.
  if (demands.activitySinceMs !== null && rules.firstRung === "vacate" && ladder.state === "paused")
    dues.push({ atMs: ladder.stateSinceMs, cause: activityCause(demands.activitySinceMs) });
  if (ladder.state === "paused")
    dues.push({
      atMs: ladder.stateSinceMs + rules.pauseBudgetMs,
      cause: { ...cause, mover: "budget", detail: `paused for longer than ${rules.pauseBudgetMs} ms` },
    });
  dues.push({ atMs: term.endsAtMs, cause: termCause });
  return earliest(dues);
}

/** When SIGKILL has been sent at the latest, if nothing more is heard of anybody. */
export function killedByMs(ladder: Ladder): number {
  const { state, stateSinceMs, rules, vacateAsked } = ladder;
  if (state === "killing") return stateSinceMs;
  const killMs = killDue(ladder).atMs;
  if (state === "vacating") return killMs;
  return Math.min(killMs, vacateDue(ladder).atMs + (vacateAsked?.noticeMs ?? rules.noticeMs));
}

/** When `advance` must be called again at the latest, with a `tick`; Infinity: only an event changes anything. */
export function wakeAtMs(ladder: Ladder): number {
  switch (ladder.state) {
    case "released":
      return Infinity;
    case "killing":
    case "quarantined":
      return Math.min(ladder.killAgainAtMs ?? Infinity, ladder.proofByMs ?? Infinity);
    case "vacating":
      return killDue(ladder).atMs;
    case "starting":
    case "running":
    case "paused":
      return Math.min(killDue(ladder).atMs, vacateDue(ladder).atMs);
  }
}

function activityCause(sinceMs: number): Cause {
  const detail = "the owner works on the device, and wants it whole";
  return { mover: "activity", sinceMs, recallId: "", detail };
}

function recallCause(recall: RecallDemand, detail: string): Cause {
  return { mover: "owner", sinceMs: recall.arrivedAtMs, recallId: recall.recallId, detail };
}

function earliest(dues: readonly Due[]): Due {
  return dues.reduce((first, due) => (due.atMs < first.atMs ? due : first), never);
}
