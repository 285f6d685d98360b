import type { GuestState } from "../core/guest.ts";
import { isLive, leaseTransitions, type LiveLeaseState } from "../core/lease.ts";
import type { LedgerEvent } from "../core/ledger-event.ts";
import { budgetOf } from "../core/settlement.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { LeaseStep, LendRequest } from "./lease-records.ts";

/** What the scripts are given of a lend and of a step. */

/** The script sums by device, so a device may come once only. */
export function checkGrants({ guestId, grants, memoryLendableMib }: LendRequest): void {
  const isSound =
    grants.length > 0 &&
    grants.length === memoryLendableMib.length &&
    new Set(grants.map((grant) => grant.device)).size === grants.length &&
    grants.every(
      ({ sharePermille: share, memoryMib }) =>
        Number.isInteger(share) && share >= 1 && share <= 1_000 && memoryMib >= 0,
    );
  if (!isSound) throw new GleanerError("INTERNAL", { problem: `unsound grants for guest ${guestId}` });
}

/** What the script needs of a step, the transition table among it: it is written down in the core only. */
export function changeOf(step: LeaseStep) {
  const split = step.leaseId.lastIndexOf(":");
  const after = Object.entries(leaseTransitions).filter(([, next]) => next[step.state]);
  return {
    ...step,
    guestId: step.leaseId.slice(0, split),
    attempt: Number(step.leaseId.slice(split + 1)),
    after: Object.fromEntries(after.map(([before]) => [before, true])),
    budget: step.settlement === null ? null : budgetOf(step.settlement),
    liveGuestState: isLive(step.state) ? guestStates[step.state] : null,
  };
}

const guestStates: Readonly<Record<LiveLeaseState, GuestState>> = {
  starting: "starting",
  running: "running",
  paused: "paused",
  vacating: "vacating",
  killing: "vacating",
};

/** As the script writes it into the ledger with the step. */
export function stepEvent({
  leaseId,
  state,
  mover,
  detail,
  atMs,
  signalToStepMs,
  recallId,
  settlement,
}: LeaseStep): LedgerEvent {
  return { type: "step", atMs, leaseId, state, mover, detail, signalToStepMs, recallId, settlement };
}
