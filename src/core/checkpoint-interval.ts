import type { SurvivalCurve } from "./survival-curve.ts";

/** Believed cost of writing a checkpoint where none was measured yet, ms. */
const checkpointCostMs = 2_000;

/**
 * How often a checkpoint pays, ms: Young's √(2C/h) (CACM 17(9), 1974) with the hazard h of the owner's return over the next
 * `horizonMs` and a checkpoint cost C of 2 s, within [1 s, `intervalMsMax`].
 */
export function checkpointIntervalMs(
  curve: SurvivalCurve | null,
  horizonMs: number,
  intervalMsMax: number,
): number {
  if (curve === null) return intervalMsMax;
  const stays = Math.max(curve.survivalAt(horizonMs), 1e-9);
  const hazardPerMs = -Math.log(stays) / horizonMs;
  if (hazardPerMs <= 0) return intervalMsMax;
  const best = Math.sqrt((2 * checkpointCostMs) / hazardPerMs);
  return Math.round(Math.min(intervalMsMax, Math.max(1_000, best)));
}
