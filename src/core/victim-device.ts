import type { DeviceUuid } from "./device.ts";
import type { VictimLease } from "./eviction-cost.ts";

/** A lent device, or a free one, that an owner may take back. */
export interface VictimDevice {
  readonly uuid: DeviceUuid;
  readonly host: string;
  /** Empty: not lent. A gang's lease is the same object on each of its devices. */
  readonly leases: readonly VictimLease[];
}

/** The devices that each lease is on. */
export function holdersOf(
  devices: readonly VictimDevice[],
): ReadonlyMap<VictimLease, readonly VictimDevice[]> {
  const holders = new Map<VictimLease, VictimDevice[]>();
  for (const device of devices)
    for (const lease of device.leases) {
      const known = holders.get(lease);
      if (known === undefined) holders.set(lease, [device]);
      else known.push(device);
    }
  return holders;
}

export function byUuid(a: VictimDevice, b: VictimDevice): number {
  return a.uuid < b.uuid ? -1 : 1;
}
