import { costOf, type VictimLease } from "./eviction-cost.ts";
import { byUuid, holdersOf, type VictimDevice } from "./victim-device.ts";

/** Devices that are free together or not at all. */
export interface Whole {
  readonly devices: readonly VictimDevice[];
  readonly costMs: number;
}

export interface Clusters {
  /** Those that go whole: free devices, single guests, gangs that share with nobody. By their number of devices. */
  readonly bySize: ReadonlyMap<number, readonly Whole[]>;
  readonly others: readonly (readonly VictimDevice[])[];
}

/** Devices that share a guest are in one cluster. */
export function clustersOf(devices: readonly VictimDevice[]): Clusters {
  const holders = holdersOf(devices);
  const bySize = new Map<number, Whole[]>();
  const others: VictimDevice[][] = [];
  const seen = new Set<VictimDevice>();
  for (const first of devices) {
    const { leases } = first;
    const isAlone = leases.every((lease) => holders.get(lease)!.length === 1);
    if (!isAlone && seen.has(first)) continue;
    const cluster = isAlone ? [first] : sharersOf(first, holders, seen);
    if (goesWhole(cluster)) {
      const whole = { devices: cluster, costMs: costOf(leases) };
      const same = bySize.get(cluster.length);
      if (same === undefined) bySize.set(cluster.length, [whole]);
      else same.push(whole);
    } else others.push(cluster.toSorted(byUuid));
  }
  return {
    bySize: new Map([...bySize].toSorted(([a], [b]) => a - b)),
    others: others.toSorted(([a], [b]) => byUuid(a!, b!)),
  };
}

function sharersOf(
  first: VictimDevice,
  holders: ReadonlyMap<VictimLease, readonly VictimDevice[]>,
  seen: Set<VictimDevice>,
): VictimDevice[] {
  seen.add(first);
  const cluster = [first];
  for (const { leases } of cluster)
    for (const lease of leases)
      for (const holder of holders.get(lease)!) {
        if (seen.has(holder)) continue;
        seen.add(holder);
        cluster.push(holder);
      }
  return cluster;
}

function goesWhole([first, ...others]: readonly VictimDevice[]): boolean {
  const { leases } = first!;
  return others.every(
    (device) =>
      device.leases.length === leases.length && leases.every((lease) => device.leases.includes(lease)),
  );
}
