import type { LendMode, PoolPolicy, ReturnSignal, Rung, VacateFromPause } from "../../core/policy.ts";
import type { PoolSettings } from "../../gen/gleaner/v1/agents.ts";
import * as wire from "../../gen/gleaner/v1/owners.ts";
import { wordMap } from "./words.ts";

export const lendModes = wordMap<LendMode, wire.LendMode>({
  observe: wire.LendMode.OBSERVE,
  lend: wire.LendMode.LEND,
});

export const rungs = wordMap<Rung, wire.Rung>({
  pause: wire.Rung.PAUSE,
  vacate: wire.Rung.VACATE,
  kill: wire.Rung.KILL,
});

export const returnSignals = wordMap<ReturnSignal, wire.ReturnSignal>({
  activity: wire.ReturnSignal.ACTIVITY,
  call: wire.ReturnSignal.CALL,
});

export const vacateFromPauseWays = wordMap<VacateFromPause, wire.VacateFromPause>({
  thaw: wire.VacateFromPause.THAW,
  kill: wire.VacateFromPause.KILL,
});

/** The part of a pool's policy that its agents enforce by themselves. */
export type AgentPolicy = Pick<
  PoolPolicy,
  | "pool"
  | "recallDeadlineMs"
  | "pauseBudgetMs"
  | "firstRung"
  | "vacateFromPause"
  | "returnSignal"
  | "reserveMemoryMib"
>;

export function agentPolicyToProto(policy: AgentPolicy): PoolSettings {
  return {
    pool: policy.pool,
    recallDeadlineMs: policy.recallDeadlineMs,
    pauseBudgetMs: policy.pauseBudgetMs,
    firstRung: rungs.toWire(policy.firstRung),
    vacateFromPause: vacateFromPauseWays.toWire(policy.vacateFromPause),
    returnSignal: returnSignals.toWire(policy.returnSignal),
    reserveMemoryMib: policy.reserveMemoryMib,
  };
}

export function agentPolicyFromProto(message: PoolSettings): AgentPolicy {
  return {
    pool: message.pool,
    recallDeadlineMs: message.recallDeadlineMs,
    pauseBudgetMs: message.pauseBudgetMs,
    firstRung: rungs.fromWire(message.firstRung, "first_rung"),
    vacateFromPause: vacateFromPauseWays.fromWire(message.vacateFromPause, "vacate_from_pause"),
    returnSignal: returnSignals.fromWire(message.returnSignal, "return_signal"),
    reserveMemoryMib: message.reserveMemoryMib,
  };
}

export function policyToProto(policy: PoolPolicy): wire.Policy {
  return {
    ...agentPolicyToProto(policy),
    owner: policy.owner,
    mode: lendModes.toWire(policy.mode),
    lentShareMax: policy.lentShareMax,
    windows: policy.windows.map((window) => ({ ...window, weekdays: [...window.weekdays] })),
    meetingsPerGpuDayMax: policy.meetingsPerGpuDayMax ?? undefined,
    waitedShareMax: policy.waitedShareMax ?? undefined,
    idleMsMin: policy.idleMsMin,
  };
}

/** Of an answer, which says everything; throws INVALID_FIELD for an enum that is missing. */
export function policyFromProto(message: wire.Policy): PoolPolicy {
  return {
    pool: message.pool,
    owner: message.owner,
    mode: lendModes.fromWire(message.mode, "policy.mode"),
    lentShareMax: message.lentShareMax ?? 0,
    windows: message.windows.map((window) => ({ ...window, timeZone: window.timeZone || "UTC" })),
    meetingsPerGpuDayMax: message.meetingsPerGpuDayMax ?? null,
    waitedShareMax: message.waitedShareMax ?? null,
    recallDeadlineMs: message.recallDeadlineMs ?? 0,
    pauseBudgetMs: message.pauseBudgetMs ?? 0,
    firstRung: rungs.fromWire(message.firstRung, "policy.first_rung"),
    vacateFromPause: vacateFromPauseWays.fromWire(message.vacateFromPause, "policy.vacate_from_pause"),
    returnSignal: returnSignals.fromWire(message.returnSignal, "policy.return_signal"),
    reserveMemoryMib: message.reserveMemoryMib ?? 0,
    idleMsMin: message.idleMsMin ?? 0,
  };
}
