import { leasedCategory, unleasedCategory, type Category } from "../core/account-category.ts";
import { isLive } from "../core/lease.ts";
import type { Device } from "./fleet.ts";

/** What a device does now, as the books would say; of one that is lent in shares, what its first lease does. */
export function categoryOf(device: Device, nowMs: number): Category {
  if (device.quarantine !== null) return "quarantined";
  const owner = device.tracker.at(nowMs).state;
  for (const { lease } of device.leases.values())
    if (isLive(lease.state)) return leasedCategory[lease.state][owner];
  return unleasedCategory[owner];
}

/** Why it does so, in a word or a sentence. */
export function reasonOf(device: Device, nowMs: number): string {
  if (device.quarantine !== null) return device.quarantine;
  if (device.leases.size > 0) return [...device.leases.values()].map(({ lease }) => lease.state).join(", ");
  const owner = device.tracker.at(nowMs);
  return owner.state === "idle" ? device.writtenUnlentReason : owner.reason;
}
