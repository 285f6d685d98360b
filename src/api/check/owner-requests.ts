import type { z } from "zod";
import { deadlineProblem, policySchema, type Settings } from "../../config/settings.ts";
import type { PoolPolicy } from "../../core/policy.ts";
import type { Target } from "../../core/target.ts";
import type * as wire from "../../gen/gleaner/v1/owners.ts";
import { lendModes, returnSignals, rungs, vacateFromPauseWays } from "../convert/policy.ts";
import { recallOrderFromProto } from "../convert/recall.ts";
import { targetFromProto } from "../convert/target.ts";
import type { RecallOrder } from "../ports.ts";
import { checkCount, checkId, checkName, checkText, checkWithin, dayMs, refuse, yearMs } from "./fields.ts";

const targetDevicesMax = 10_000;
const poolDevicesMax = 1_000_000;
const reasonCharactersMax = 512;

export function checkRecallRequest(message: wire.RecallRequest): RecallOrder {
  const order = recallOrderFromProto(message);
  checkTarget(order.target, "target");
  if (order.target.kind === "pool")
    checkWithin(order.target.devices, "target.pool.devices", 0, poolDevicesMax);
  checkWithin(message.deadlineMs, "deadline_ms", 1, dayMs);
  checkWithin(message.holdMs, "hold_ms", 0, yearMs);
  checkText(order.reason, "reason", reasonCharactersMax);
  return order;
}

export function checkBusyRequest(
  message: wire.BusyRequest,
  { recall }: Pick<Settings, "recall">,
): { target: Target; ttlMs: number; reason: string } {
  checkWithin(message.ttlMs, "ttl_ms", 1, recall.hintTtlMsMax);
  checkText(message.reason, "reason", reasonCharactersMax);
  const target = checkWholeTarget(message.target);
  return { target, ttlMs: message.ttlMs ?? recall.hintTtlMs, reason: message.reason };
}

export function checkHoldRequest(message: wire.HoldRequest): {
  target: Target;
  ttlMs: number | null;
  reason: string;
} {
  checkWithin(message.ttlMs, "ttl_ms", 1, yearMs);
  checkText(message.reason, "reason", reasonCharactersMax);
  return {
    target: checkWholeTarget(message.target),
    ttlMs: message.ttlMs ?? null,
    reason: message.reason,
  };
}

export function checkUnholdRequest({ which }: wire.UnholdRequest): { id: string } | { target: Target } {
  switch (which?.$case) {
    case "id":
      checkId(which.value, "id");
      return { id: which.value };
    case "target":
      return { target: checkWholeTarget(which.value) };
    case undefined:
      refuse("which", "missing; give the id of one hold, or a target");
  }
}

/** A target of the calls that take a pool only whole: of all but Recall. */
export function checkWholeTarget(message: wire.Target | undefined): Target {
  const target = targetFromProto(message);
  checkTarget(target, "target");
  if (target.kind === "pool" && target.devices !== 0)
    refuse("target.pool.devices", "only Recall takes a part of a pool; leave it out, or name the devices");
  return target;
}

function checkTarget(target: Target, field: string): void {
  switch (target.kind) {
    case "devices":
      if (target.uuids.length === 0) refuse(`${field}.devices.uuids`, "empty; name at least one device");
      checkCount(target.uuids.length, `${field}.devices.uuids`, targetDevicesMax);
      for (const [index, uuid] of target.uuids.entries()) checkId(uuid, `${field}.devices.uuids[${index}]`);
      return;
    case "pool":
      checkName(target.pool, `${field}.pool.pool`);
      return;
    case "fleet":
  }
}

/** The rules of the settings file; what is left out takes its default. */
export function checkPolicy(
  message: wire.Policy | undefined,
  settings: Pick<Settings, "terms" | "recall" | "guest">,
): PoolPolicy {
  if (message === undefined) refuse("policy", "missing");
  const { pool, owner, lentShareMax, meetingsPerGpuDayMax, recallDeadlineMs, pauseBudgetMs } = message;
  const result = policySchema.safeParse({
    pool,
    owner,
    mode: lendModes.fromOptional(message.mode, "policy.mode") ?? undefined,
    lentShareMax,
    windows: message.windows.map((window) => ({ ...window, timeZone: window.timeZone || undefined })),
    meetingsPerGpuDayMax,
    waitedShareMax: message.waitedShareMax,
    recallDeadlineMs,
    pauseBudgetMs,
    firstRung: rungs.fromOptional(message.firstRung, "policy.first_rung") ?? undefined,
    vacateFromPause:
      vacateFromPauseWays.fromOptional(message.vacateFromPause, "policy.vacate_from_pause") ?? undefined,
    returnSignal: returnSignals.fromOptional(message.returnSignal, "policy.return_signal") ?? undefined,
    reserveMemoryMib: message.reserveMemoryMib,
    idleMsMin: message.idleMsMin,
  });
  if (!result.success) {
    const [issue] = result.error.issues;
    refuse(protoPath(["policy", ...(issue?.path ?? [])]), issue === undefined ? "invalid" : inWords(issue));
  }
  const problem = deadlineProblem(result.data, settings);
  if (problem !== null) refuse("policy.recall_deadline_ms", problem);
  return result.data;
}

function inWords(issue: z.core.$ZodIssue): string {
  if (issue.code === "too_big") return `must be at most ${issue.maximum}`;
  if (issue.code === "too_small") return `must be at least ${issue.minimum}`;
  return issue.message;
}

/** ["policy", "windows", 0, "startMinute"] is policy.windows[0].start_minute. */
function protoPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) =>
      typeof part === "number"
        ? `[${part}]`
        : `.${String(part).replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
    )
    .join("")
    .slice(1);
}
