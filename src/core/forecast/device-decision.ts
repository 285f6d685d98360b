import type { LeaseCosts } from "./lend-or-wait.ts";

export type DeviceDecision = "lend" | "vacate" | "pause" | "resume";

/** What a device that is idle now holds, and since when it stands still by our own wish. */
export type HeldGuest =
  | { readonly state: "none" }
  | { readonly state: "running" }
  | { readonly state: "paused"; readonly forS: number };

/** Where an owner's return ends the guest: `worth` is that of LendOrWait. null: go on. */
export function decideKill(
  worthS: number,
  guest: HeldGuest,
  { start, end }: LeaseCosts,
): DeviceDecision | null {
  if (guest.state === "none") return worthS > start ? "lend" : null;
  return worthS < -end ? "vacate" : null;
}

/**
 * A pause by ourselves that lasts longer than this share of the budget is given up: were the owner to come now, the rest
 * might not see them go.
 */
const ownPauseShareMax = 1 / 12;

/**
 * Where an owner's return pauses the guest. Pausing by ourselves costs next to nothing, so that the next interval alone
 * counts: the guest stands still where the interval earns less than the meeting that it risks.
 */
export function decidePause(
  worthS: number,
  metChance: number,
  intervalS: number,
  guest: HeldGuest,
  { start, met }: LeaseCosts,
  pauseBudgetS: number,
): DeviceDecision | null {
  if (guest.state === "none") return worthS > start ? "lend" : null;
  const risky = metChance * met > intervalS;
  if (guest.state === "running") return risky ? "pause" : null;
  if (!risky) return "resume";
  return guest.forS >= pauseBudgetS * ownPauseShareMax ? "vacate" : null;
}
