import type { Grant } from "../../core/guest.ts";
import { isLive } from "../../core/lease.ts";
import type { FencingToken, LeaseEnd, LeaseState, Mover } from "../../core/lease.ts";
import * as wire from "../../gen/gleaner/v1/agents.ts";
import { whole } from "./numbers.ts";
import { shareToPermille } from "./shape.ts";
import { wordMap } from "./words.ts";

export const leaseStates = wordMap<LeaseState, wire.LeaseState>({
  starting: wire.LeaseState.STARTING,
  running: wire.LeaseState.RUNNING,
  paused: wire.LeaseState.PAUSED,
  vacating: wire.LeaseState.VACATING,
  killing: wire.LeaseState.KILLING,
  released: wire.LeaseState.RELEASED,
  quarantined: wire.LeaseState.QUARANTINED,
});

export const movers = wordMap<Mover, wire.Mover>({
  controller: wire.Mover.CONTROLLER,
  guest: wire.Mover.GUEST,
  activity: wire.Mover.ACTIVITY,
  owner: wire.Mover.OWNER,
  term: wire.Mover.TERM,
  budget: wire.Mover.BUDGET,
});

/** What became of a command, as the agent answers it. */
export type CommandOutcome = "done" | "stale" | "owner_first" | "unknown_lease" | "failed" | "host_failed";

export const commandOutcomes = wordMap<CommandOutcome, wire.CommandOutcome>({
  done: wire.CommandOutcome.DONE,
  stale: wire.CommandOutcome.STALE,
  owner_first: wire.CommandOutcome.OWNER_FIRST,
  unknown_lease: wire.CommandOutcome.UNKNOWN_LEASE,
  failed: wire.CommandOutcome.FAILED,
  host_failed: wire.CommandOutcome.HOST_FAILED,
});

/** One step of one lease as an agent reports it; `atMs` is on the clock of whoever holds it. */
export interface LeaseStep {
  readonly leaseId: string;
  readonly token: FencingToken;
  /** From 1. */
  readonly step: number;
  readonly state: LeaseState;
  readonly atMs: number;
  readonly mover: Mover;
  readonly detail: string;
  /** From the owner's signal at the agent to this step; null: no owner waited. */
  readonly signalToStepMs: number | null;
  /** Empty: none. */
  readonly recallId: string;
  /** Filled in for the live leases of a Hello. */
  readonly devices: readonly string[];
  /** Only with a final state. */
  readonly end: LeaseEnd | null;
}

export function leaseStepToProto(step: LeaseStep, nowMs: number): wire.LeaseReport {
  const { end } = step;
  return {
    leaseId: step.leaseId,
    token: tokenToProto(step.token),
    step: step.step,
    state: leaseStates.toWire(step.state),
    ageMs: Math.max(0, nowMs - step.atMs),
    mover: movers.toWire(step.mover),
    detail: step.detail,
    signalToStepMs: step.signalToStepMs ?? undefined,
    recallId: step.recallId,
    devices: [...step.devices],
    exitCode: end?.exitCode ?? undefined,
    exitSignal: end?.exitSignal ?? "",
    checkpointAgeMs: end?.checkpointAgeMs ?? undefined,
    workedMs: end?.workedMs ?? 0,
    vacateMs: end?.vacateMs ?? undefined,
  };
}

export function leaseStepFromProto(message: wire.LeaseReport, nowMs: number): LeaseStep {
  const state = leaseStates.fromWire(message.state, "lease_report.state");
  return {
    leaseId: message.leaseId,
    token: tokenFromProto(message.token),
    step: message.step,
    state,
    atMs: nowMs - message.ageMs,
    mover: movers.fromWire(message.mover, "lease_report.mover"),
    detail: message.detail,
    signalToStepMs: message.signalToStepMs ?? null,
    recallId: message.recallId,
    devices: message.devices,
    end: isLive(state) ? null : leaseEndFromProto(message),
  };
}

function leaseEndFromProto(message: wire.LeaseReport): LeaseEnd {
  return {
    exitCode: message.exitCode ?? null,
    exitSignal: message.exitSignal,
    checkpointAgeMs: message.checkpointAgeMs ?? null,
    workedMs: message.workedMs,
    vacateMs: message.vacateMs ?? null,
  };
}

export function tokenToProto(token: FencingToken): wire.FencingToken {
  return { generation: token.generation, number: token.number };
}

/** A missing token is older than every token. */
export function tokenFromProto(message: wire.FencingToken | undefined): FencingToken {
  return { generation: message?.generation ?? 0, number: message?.number ?? 0 };
}

export function grantToProto(grant: Grant): wire.Grant {
  return { device: grant.device, share: grant.sharePermille / 1000, memoryMib: whole(grant.memoryMib) };
}

export function grantFromProto(message: wire.Grant): Grant {
  return {
    device: message.device,
    sharePermille: shareToPermille(message.share),
    memoryMib: message.memoryMib,
  };
}
