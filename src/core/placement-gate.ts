import type { PoolPolicy } from "./policy.ts";
import type { ReasonCode } from "./reasons.ts";
import type { DeviceView, PoolView } from "./snapshot.ts";

/** Memory that owners hold is rounded up to this, so that devices whose owners differ by a driver's context are alike. */
const ownerMemoryStepMib = 256;

/** Why nothing may be lent of the device, whoever asks; null: it may be, as far as the device and its pool are concerned. */
export function gate(device: DeviceView, pool: PoolView | undefined, nowMs: number): ReasonCode | null {
  if (device.owner !== "idle") return device.owner === "busy" ? "owner_busy" : "owner_unknown";
  if (device.quarantineReason !== null) return "quarantined";
  if (!device.agentConnected) return "agent_away";
  if (device.heldBy !== null) return device.heldBy;
  if (pool === undefined) return "no_policy";
  if (pool.policy.mode !== "lend") return "observe_mode";
  if (!pool.windowOpen) return "window_closed";
  if (!pool.meetingsAllowed) return "meetings_max";
  const idleMs = nowMs - device.ownerSinceMs;
  if (!(idleMs >= device.requiredIdleMs))
    return idleMs < pool.policy.idleMsMin ? "idle_too_short" : "breaker";
  if (device.curve === null) return "no_forecast";
  return device.worthLending ? null : "owner_may_return";
}

/** Device memory that may be lent in all: total − reserve − the owner's; null where one of them is not known. */
export function lendableMib(device: DeviceView, policy: PoolPolicy): number | null {
  const total = device.info.memoryTotalMib;
  const used = device.memoryUsedByOwnerMib;
  if (total === null || used === null) return null;
  const usedRounded = Math.ceil(used / ownerMemoryStepMib) * ownerMemoryStepMib;
  return Math.max(0, total - policy.reserveMemoryMib - usedRounded);
}

/** What the live leases hold of a device. */
export interface Held {
  readonly permille: number;
  readonly memoryMib: number;
  /** null: of several groups, which nobody may join. */
  readonly trustGroup: string | null;
}

export function heldOf(device: DeviceView): Held {
  const { uuid } = device.info;
  let permille = 0;
  let memoryMib = 0;
  let trustGroup = device.leases[0]?.trustGroup ?? null;
  for (const lease of device.leases) {
    if (lease.trustGroup !== trustGroup) trustGroup = null;
    for (const grant of lease.grants)
      if (grant.device === uuid) {
        permille += grant.sharePermille;
        memoryMib += grant.memoryMib;
      }
  }
  return { permille, memoryMib, trustGroup };
}

/** Devices of a pool that may be lent at once, and what says so: its policy's share, or its owner's reserve. */
export function lentMax(
  view: PoolView,
  devices: number,
): { most: number; bound: Extract<ReasonCode, "lent_share_max" | "reserve"> } {
  // 0.29 × 100 is 28.999…
  const share = Math.floor(view.policy.lentShareMax * devices + 1e-9);
  const reserved = view.lentMax ?? Infinity;
  return reserved < share ? { most: reserved, bound: "reserve" } : { most: share, bound: "lent_share_max" };
}

/** Memory that a guest takes of a device of which so much is lendable; null: it cannot be told. */
export function memoryWanted(
  shape: { readonly sharePermille: number; readonly memoryMib: number | null },
  lendable: number | null,
): number | null {
  if (shape.memoryMib !== null) return lendable === null ? null : shape.memoryMib;
  if (lendable === null) return shape.sharePermille === 1000 ? 0 : null;
  return Math.floor((lendable * shape.sharePermille) / 1000);
}
