import type { DeviceUuid } from "./device.ts";
import { costOf, evictionCostMs, type VictimLease } from "./eviction-cost.ts";
import { byUuid, type VictimDevice } from "./victim-device.ts";
import { freeAtLeast } from "./victims-search.ts";

export interface Victims {
  readonly devices: readonly DeviceUuid[];
  /** Leases to end; a gang goes whole. */
  readonly leases: readonly string[];
  /** Sum of their `evictionCostMs`. */
  readonly costMs: number;
}

/**
 * Which `count` devices an owner gets back. Where a host has so many, all of them come from one host, so that the owner's shape is
 * kept; among such choices, and where no host has enough, the one that costs least. Devices that are not lent cost nothing.
 * Fewer candidates than asked for: all of them.
 */
export function chooseVictims(candidates: readonly VictimDevice[], count: number): Victims {
  const hosts = [...Map.groupBy(candidates, ({ host }) => host).values()];
  const enough = hosts.filter((devices) => devices.length >= count);
  if (enough.length === 0) return victims(onFewestHosts(freeAtLeast(candidates, count)).slice(0, count));
  let best: Victims | undefined;
  for (const { devices, costMsMin } of mostPromisingFirst(enough, count)) {
    // A sum of shares may be off by a rounding.
    if (best !== undefined && costMsMin >= best.costMs * (1 + 1e-12)) break;
    const choice = victims(freeAtLeast(devices, count).toSorted(byUuid).slice(0, count));
    if (best === undefined || choice.costMs < best.costMs) best = choice;
  }
  return best!;
}

/**
 * Hosts by the least that `count` of their devices can cost: each lease costs each of its devices the same share, so that whoever
 * takes some of them pays no less than their shares.
 */
function mostPromisingFirst(hosts: readonly (readonly VictimDevice[])[], count: number) {
  const holders = new Map<VictimLease, number>();
  for (const devices of hosts)
    for (const { leases } of devices)
      for (const lease of leases) holders.set(lease, (holders.get(lease) ?? 0) + 1);
  const shareMs = ({ leases }: VictimDevice) => {
    let sum = 0;
    for (const lease of leases) sum += evictionCostMs(lease) / holders.get(lease)!;
    return sum;
  };
  return hosts
    .map((devices) => {
      const shares = devices.map(shareMs).toSorted((a, b) => a - b);
      let costMsMin = 0;
      for (let place = 0; place < count; place++) costMsMin += shares[place]!;
      return { devices, costMsMin };
    })
    .toSorted((a, b) => a.costMsMin - b.costMsMin || byHost(a.devices, b.devices));
}

function victims(devices: readonly VictimDevice[]): Victims {
  const leases = [...new Set(devices.flatMap((device) => device.leases))];
  return {
    devices: devices.map(({ uuid }) => uuid),
    leases: leases.map(({ id }) => id),
    costMs: costOf(leases),
  };
}

/** Those of the hosts with the most devices first. */
function onFewestHosts(devices: readonly VictimDevice[]): VictimDevice[] {
  const hosts = [...Map.groupBy(devices, ({ host }) => host).values()];
  return hosts.toSorted((a, b) => b.length - a.length || byHost(a, b)).flatMap((its) => its.toSorted(byUuid));
}

function byHost([a]: readonly VictimDevice[], [b]: readonly VictimDevice[]): number {
  return a!.host < b!.host ? -1 : 1;
}
