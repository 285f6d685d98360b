import type { DeviceDecision } from "../replay/device-replay.ts";
import type { DeviceRules } from "../rules.ts";
import { bestPlan } from "../score/device-bounds.ts";
import type { IdleRun } from "../score/idle-runs.ts";

/**
 * What would have been worth most among all that never leaves before its owner returns: lends only the idle runs that pay. It knows
 * the future, so it is no policy but the measure of them: its net is the bound `novacate` exactly.
 */
export function clairvoyantDecisions(
  devices: readonly string[],
  runsByDevice: readonly (readonly IdleRun[])[],
  rules: DeviceRules,
): DeviceDecision[] {
  const decisions: DeviceDecision[] = [];
  for (const [index, runs] of runsByDevice.entries()) {
    const device = devices[index]!;
    for (const { first, last } of bestPlan(runs, rules, "novacate").leases) {
      decisions.push({ timeS: runs[first]!.beginS, device, action: "lend", reason: "pays" });
      const { endS, cause } = runs[last]!;
      // A paused guest would stay; leaving now costs what the owner's return does.
      if (rules.mode === "pause" && cause !== "trace_end")
        decisions.push({ timeS: endS, device, action: "vacate", reason: "pays_no_more" });
    }
  }
  return decisions.toSorted((one, other) => one.timeS - other.timeS);
}
