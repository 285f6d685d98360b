import type { OwnerRecall, RecallReport as RecallReportMessage } from "../../gen/gleaner/v1/agents.ts";
import * as wire from "../../gen/gleaner/v1/owners.ts";
import type { RecallOrder, RecallProgress, RecallStage } from "../ports.ts";
import { whole } from "./numbers.ts";
import { rungs } from "./policy.ts";
import { targetFromProto, targetToProto } from "./target.ts";
import { wordMap } from "./words.ts";

export const recallStages = wordMap<RecallStage, wire.RecallStage>({
  accepted: wire.RecallStage.ACCEPTED,
  paused: wire.RecallStage.PAUSED,
  vacating: wire.RecallStage.VACATING,
  killing: wire.RecallStage.KILLING,
  released: wire.RecallStage.RELEASED,
  deadline_missed: wire.RecallStage.DEADLINE_MISSED,
  withdrawn: wire.RecallStage.WITHDRAWN,
});

export type FinalRecallStage = "released" | "deadline_missed" | "withdrawn";

export function isFinalStage(stage: RecallStage): stage is FinalRecallStage {
  return stage === "released" || stage === "deadline_missed" || stage === "withdrawn";
}

export function recallOrderToProto(order: RecallOrder): wire.RecallRequest {
  return {
    target: targetToProto(order.target),
    deadlineMs: order.deadlineMs === null ? undefined : whole(order.deadlineMs),
    firstRung: order.firstRung === null ? wire.Rung.UNSPECIFIED : rungs.toWire(order.firstRung),
    reason: order.reason,
    holdMs: order.holdMs === null ? undefined : whole(order.holdMs),
  };
}

export function recallOrderFromProto(message: wire.RecallRequest): RecallOrder {
  return {
    target: targetFromProto(message.target),
    deadlineMs: message.deadlineMs ?? null,
    firstRung: rungs.fromOptional(message.firstRung, "first_rung"),
    reason: message.reason,
    holdMs: message.holdMs ?? null,
  };
}

export function recallProgressToProto(progress: RecallProgress): wire.RecallResponse {
  return { ...progress, stage: recallStages.toWire(progress.stage) };
}

export function recallProgressFromProto(message: wire.RecallResponse): RecallProgress {
  return { ...message, stage: recallStages.fromWire(message.stage, "stage") };
}

/** Of devices of one host: what a controller passes on. */
export function ownerRecallToProto(
  recallId: string,
  devices: readonly string[],
  order: RecallOrder,
  elapsedMs: number,
): OwnerRecall {
  const { deadlineMs, firstRung, reason, holdMs } = recallOrderToProto(order);
  return { recallId, devices: [...devices], deadlineMs, firstRung, reason, holdMs, elapsedMs };
}

export function ownerRecallFromProto({ devices, ...order }: OwnerRecall): RecallOrder {
  const target = { scope: { $case: "devices" as const, value: { uuids: devices } } };
  return recallOrderFromProto({ ...order, target });
}

/** One stage of a recall that an agent took itself; `atMs` is on the clock of whoever holds it. */
export interface LocalRecallStep {
  readonly recallId: string;
  readonly device: string;
  readonly stage: RecallStage;
  readonly atMs: number;
  /** Since the call arrived. */
  readonly elapsedMs: number;
  readonly deadlineMs: number;
  readonly reason: string;
  /** Empty: the device was not lent. */
  readonly leaseId: string;
  readonly holdMs: number;
}

export function localRecallToProto(step: LocalRecallStep, nowMs: number): RecallReportMessage {
  return {
    recallId: step.recallId,
    device: step.device,
    stage: recallStages.toWire(step.stage),
    ageMs: Math.max(0, nowMs - step.atMs),
    elapsedMs: step.elapsedMs,
    deadlineMs: whole(step.deadlineMs),
    reason: step.reason,
    leaseId: step.leaseId,
    holdMs: whole(step.holdMs),
  };
}

export function localRecallFromProto(message: RecallReportMessage, nowMs: number): LocalRecallStep {
  return {
    recallId: message.recallId,
    device: message.device,
    stage: recallStages.fromWire(message.stage, "recall_report.stage"),
    atMs: nowMs - message.ageMs,
    elapsedMs: message.elapsedMs,
    deadlineMs: message.deadlineMs,
    reason: message.reason,
    leaseId: message.leaseId,
    holdMs: message.holdMs,
  };
}
