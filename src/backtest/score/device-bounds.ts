import type { DeviceRules } from "../rules.ts";
import { endCostS } from "./device-lease.ts";
import type { IdleRun } from "./idle-runs.ts";

/** What no policy exceeds, GPU-seconds. */
export interface DeviceBounds {
  /** All idle time. */
  readonly idleS: number;
  /** The best that never leaves by itself: an owner who returns ends its leases. */
  readonly novacateS: number;
  /** The best that may also leave an instant before the owner returns. */
  readonly vacateS: number;
}

/** Of some devices, each with its runs in order. */
export function deviceBounds(
  runsByDevice: readonly (readonly IdleRun[])[],
  rules: DeviceRules,
): DeviceBounds {
  let idleS = 0;
  let novacateS = 0;
  let vacateS = 0;
  for (const runs of runsByDevice) {
    for (const { beginS, endS } of runs) idleS += endS - beginS;
    novacateS += bestPlan(runs, rules, "novacate").worthS;
    vacateS += bestPlan(runs, rules, "vacate").worthS;
  }
  return { idleS, novacateS, vacateS };
}

/** A lease over some runs in a row, by their indices. */
export interface PlannedLease {
  readonly first: number;
  readonly last: number;
}

/** A plan's last lease and the plan before it, which other plans share. */
interface Plan {
  readonly lease: PlannedLease;
  readonly before: Plan | null;
}

/**
 * The leases of one device that are worth most, by a dynamic program over its idle runs: after each, the device is free or holds a
 * guest that a pause can carry over the gap. In kill mode, where none is carried, that is the sum of max(0, length − start − end).
 */
export function bestPlan(
  runs: readonly IdleRun[],
  rules: DeviceRules,
  ends: "novacate" | "vacate",
): { readonly worthS: number; readonly leases: readonly PlannedLease[] } {
  let freeS = 0;
  let freePlan: Plan | null = null;
  let heldS = -Infinity;
  let heldFirst = 0;
  let heldPlan: Plan | null = null;
  for (const [last, { beginS, endS, cause, bridged }] of runs.entries()) {
    const startedS = freeS - rules.startS;
    const carriedS = bridged ? heldS - rules.resumeS : -Infinity;
    if (startedS >= carriedS) {
      heldFirst = last;
      heldPlan = freePlan;
    }
    heldS = Math.max(startedS, carriedS) + endS - beginS;
    const endedS = heldS - (ends === "vacate" ? rules.vacateS : endCostS(rules, cause));
    if (endedS <= freeS) continue;
    freeS = endedS;
    freePlan = { lease: { first: heldFirst, last }, before: heldPlan };
  }
  const leases: PlannedLease[] = [];
  for (let plan = freePlan; plan !== null; plan = plan.before) leases.push(plan.lease);
  return { worthS: freeS, leases: leases.toReversed() };
}
