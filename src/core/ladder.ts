import { killDue, vacateDue } from "./ladder-dues.ts";
import {
  type Cause,
  controllerCause,
  type Ladder,
  type LadderAction,
  type LadderEvent,
} from "./ladder-state.ts";
import { isLive, type LeaseState } from "./lease.ts";
import { standingDemand, withdrawn, withRecall } from "./owner-demand.ts";

/**
 * The recall ladder of one lease: pause → vacate → kill → proof.
 *
 * Facts come in as events; what to do follows from the facts and the time alone, so that the order of events never decides
 * whether an owner is served. The lease only climbs: from `paused` the controller's resume brings it back, and nothing else
 * does from anywhere.
 */

export interface LadderStep {
  readonly state: LeaseState;
  readonly cause: Cause;
}

export interface Advance {
  readonly ladder: Ladder;
  /** To be carried out at once, in this order. */
  readonly actions: readonly LadderAction[];
  /** To be reported, in this order. */
  readonly steps: readonly LadderStep[];
}

/** Between two SIGKILLs to the same lease. */
const killIntervalMs = 100;

/** Takes one event in and climbs as far as facts and time ask. Same arguments, same answer. */
export function advance(ladder: Ladder, event: LadderEvent, nowMs: number): Advance {
  const ascent: Ascent = { ladder, actions: [], steps: [], nowMs };
  take(ascent, event);
  climb(ascent);
  return { ladder: ascent.ladder, actions: ascent.actions, steps: ascent.steps };
}

/** Why the guest may not go on working; null where it may. */
export function resumeObstacle(ladder: Ladder, nowMs: number): string | null {
  const demand = standingDemand(ladder.demands, nowMs);
  if (demand !== null) return demand.detail;
  return ladder.state === "paused" || ladder.state === "running" ? null : `the lease is ${ladder.state}`;
}

/** One call of `advance` in the making. */
interface Ascent {
  ladder: Ladder;
  readonly actions: LadderAction[];
  readonly steps: LadderStep[];
  readonly nowMs: number;
}

function take(ascent: Ascent, event: LadderEvent): void {
  const { ladder, nowMs } = ascent;
  const { demands } = ladder;
  switch (event.type) {
    case "launched":
      if (ladder.state === "starting") enter(ascent, "running", controllerCause);
      break;
    case "frozen":
      if (ladder.state === "running" && ladder.freezingSinceMs !== null)
        enter(ascent, "paused", ladder.cause);
      break;
    case "activity": {
      const activitySinceMs = event.busy ? (demands.activitySinceMs ?? nowMs) : null;
      set(ascent, { demands: { ...demands, activitySinceMs } });
      break;
    }
    case "hint": {
      const hint = { sinceMs: demands.hint?.sinceMs ?? nowMs, endsAtMs: event.endsAtMs };
      set(ascent, { demands: { ...demands, hint } });
      break;
    }
    case "recalled":
      set(ascent, { demands: withRecall(demands, event.recall) });
      break;
    case "withdrawn":
      set(ascent, { demands: withdrawn(demands, event.recallId) });
      break;
    case "pause":
      set(ascent, { pauseAsked: ladder.pauseAsked ?? event.cause });
      break;
    case "resume":
      resume(ascent);
      break;
    case "vacate":
      askVacate(ascent, event.noticeMs, event.cause);
      break;
    case "kill":
      set(ascent, { killAsked: ladder.killAsked ?? event.cause });
      break;
    case "renewed":
      if (event.endsAtMs > ladder.term.endsAtMs)
        set(ascent, { term: { sentAtMs: event.sentAtMs, endsAtMs: event.endsAtMs } });
      break;
    case "rules":
      set(ascent, { rules: event.rules });
      break;
    case "mainEnded":
      mainEnded(ascent, event.byNotice);
      break;
    case "emptied":
      emptied(ascent);
      break;
    case "tick":
      break;
  }
}

function climb(ascent: Ascent): void {
  const { nowMs } = ascent;
  const { state } = ascent.ladder;
  if (isLive(state) && state !== "killing") {
    const kill = killDue(ascent.ladder);
    const vacate = vacateDue(ascent.ladder);
    if (nowMs >= kill.atMs) startKilling(ascent, kill.cause);
    else if (state !== "vacating" && nowMs >= vacate.atMs) {
      startVacating(ascent, vacate.cause);
      // A notice of no length is over as it begins.
      climb(ascent);
      return;
    } else if (state === "running") pauseWhereAsked(ascent);
    else if (state === "vacating") endWhereOwnerForbids(ascent);
  }
  insist(ascent);
}

function pauseWhereAsked(ascent: Ascent): void {
  const cause = pauseCause(ascent);
  if (ascent.ladder.freezingSinceMs !== null || cause === null) return;
  set(ascent, { freezingSinceMs: ascent.nowMs, cause });
  ascent.actions.push("freeze");
}

/** An owner who comes while a guest leaves for the controller has it gone at once where a thaw beside them is forbidden. */
function endWhereOwnerForbids(ascent: Ascent): void {
  const { cause, rules, demands } = ascent.ladder;
  const demand = standingDemand(demands, ascent.nowMs);
  if (demand !== null && cause.mover === "controller" && rules.vacateFromPause === "kill")
    startKilling(ascent, demand);
}

/** Who wants the guest to stand still; an owner comes before the controller. */
function pauseCause({ ladder, nowMs }: Ascent): Cause | null {
  return standingDemand(ladder.demands, nowMs) ?? ladder.pauseAsked;
}

function startVacating(ascent: Ascent, cause: Cause): void {
  const { state, freezingSinceMs, rules, vacateAsked } = ascent.ladder;
  const frozen = state === "paused" || freezingSinceMs !== null;
  const ownerWaits = (pauseCause(ascent)?.sinceMs ?? null) !== null;
  const thawForbidden = rules.vacateFromPause === "kill" && ownerWaits;
  if (state === "starting" || (frozen && thawForbidden)) {
    startKilling(ascent, cause);
    return;
  }
  enter(ascent, "vacating", cause);
  set(ascent, { noticeEndsAtMs: ascent.nowMs + (vacateAsked?.noticeMs ?? rules.noticeMs) });
  ascent.actions.push("terminate");
}

function startKilling(ascent: Ascent, cause: Cause): void {
  enter(ascent, "killing", cause);
  set(ascent, { proofByMs: ascent.nowMs + ascent.ladder.rules.proofMs, killAgainAtMs: ascent.nowMs });
}

/** What does not die is killed again at a bounded rate; what outlives the proof is quarantined and still killed again. */
function insist(ascent: Ascent): void {
  const { state, rules, cause, proofByMs, killAgainAtMs } = ascent.ladder;
  const { nowMs } = ascent;
  if (state !== "killing" && state !== "quarantined") return;
  if (killAgainAtMs !== null && nowMs >= killAgainAtMs) {
    ascent.actions.push("kill");
    set(ascent, { killAgainAtMs: nowMs + (state === "killing" ? killIntervalMs : rules.proofMs) });
  }
  if (state === "killing" && proofByMs !== null && nowMs >= proofByMs) {
    enter(ascent, "quarantined", {
      ...cause,
      detail: `processes are left ${rules.proofMs} ms after SIGKILL`,
    });
    set(ascent, { proofByMs: null, killAgainAtMs: nowMs + rules.proofMs });
  }
}

function resume(ascent: Ascent): void {
  const { ladder, nowMs } = ascent;
  if (resumeObstacle(ladder, nowMs) !== null) return;
  const wasFreezing = ladder.freezingSinceMs !== null;
  set(ascent, { pauseAsked: null, freezingSinceMs: null });
  if (ladder.state === "paused") enter(ascent, "running", controllerCause);
  if (ladder.state === "paused" || wasFreezing) ascent.actions.push("thaw");
}

function askVacate(ascent: Ascent, noticeMs: number, cause: Cause): void {
  const { vacateAsked, noticeEndsAtMs } = ascent.ladder;
  if (noticeEndsAtMs !== null)
    set(ascent, { noticeEndsAtMs: Math.min(noticeEndsAtMs, ascent.nowMs + noticeMs) });
  else set(ascent, { vacateAsked: vacateAsked ?? { atMs: ascent.nowMs, noticeMs, cause } });
}

/** The attempt is over with its first process: what that leaves behind may only finish what the notice asked of it. */
function mainEnded(ascent: Ascent, byNotice: boolean): void {
  const { state, cause } = ascent.ladder;
  if (!isLive(state) || state === "killing") return;
  if (state === "vacating" && byNotice) ascent.actions.push("terminate");
  else startKilling(ascent, state === "vacating" ? cause : guestCause(ascent));
}

function emptied(ascent: Ascent): void {
  const { state, cause } = ascent.ladder;
  if (state === "released") return;
  const told = state === "vacating" || state === "killing" || state === "quarantined";
  enter(ascent, "released", told ? { ...cause, detail: "no process is left" } : guestCause(ascent));
}

function guestCause(ascent: Ascent): Cause {
  const { sinceMs, recallId } = pauseCause(ascent) ?? controllerCause;
  return { mover: "guest", sinceMs, recallId, detail: "the guest ended" };
}

function enter(ascent: Ascent, state: LeaseState, cause: Cause): void {
  set(ascent, { state, stateSinceMs: ascent.nowMs, cause, freezingSinceMs: null });
  ascent.steps.push({ state, cause });
}

function set(ascent: Ascent, change: Partial<Ladder>): void {
  ascent.ladder = { ...ascent.ladder, ...change };
}
