import { costOf, evictionCostMs, type VictimLease } from "./eviction-cost.ts";
import { greedyWays } from "./victims-greedy.ts";
import type { VictimDevice } from "./victims.ts";

/** Devices that are free together or not at all. */
export interface Whole {
  readonly devices: readonly VictimDevice[];
  readonly costMs: number;
}

/** So many devices of a cluster, and what it costs to free them. */
export interface Way {
  readonly freed: number;
  readonly costMs: number;
  devices(): readonly VictimDevice[];
}

export interface Clusters {
  /** Those that go whole: free devices, single guests, gangs that share with nobody. By their number of devices. */
  readonly bySize: ReadonlyMap<number, readonly Whole[]>;
  readonly others: readonly (readonly VictimDevice[])[];
}

/** In clusters of up to so many devices every choice is tried; a host's is no larger, as a rule. */
const exactDevicesMax = 10;

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

/** None is worse than another of at least as many devices. */
export function waysToFree(cluster: readonly VictimDevice[]): readonly Way[] {
  const ways = cluster.length <= exactDevicesMax ? allWays(cluster) : greedyWays(cluster);
  const worthIt: Way[] = [];
  for (const way of ways.toReversed())
    if (way.costMs < (worthIt.at(-1)?.costMs ?? Infinity)) worthIt.push(way);
  return worthIt;
}

/** The devices that each lease is on. */
export function holdersOf(devices: readonly VictimDevice[]): ReadonlyMap<VictimLease, readonly VictimDevice[]> {
  const holders = new Map<VictimLease, VictimDevice[]>();
  for (const device of devices)
    for (const lease of device.leases) {
      const known = holders.get(lease);
      if (known === undefined) holders.set(lease, [device]);
      else known.push(device);
    }
  return holders;
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
    (device) => device.leases.length === leases.length && leases.every((lease) => device.leases.includes(lease)),
  );
}

/** Tries every choice of devices, and keeps the cheapest of each number. */
function allWays(cluster: readonly VictimDevice[]): readonly Way[] {
  const leases = [...holdersOf(cluster).keys()];
  const costsMs = leases.map(evictionCostMs);
  const held = cluster.map((device) => device.leases.map((lease) => leases.indexOf(lease)));
  const takers = new Uint8Array(leases.length);
  const leastMs = new Float64Array(cluster.length + 1).fill(Infinity);
  const masks = new Uint16Array(cluster.length + 1);
  const choose = (place: number, freed: number, costMs: number, mask: number): void => {
    if (place === cluster.length) {
      if (costMs >= leastMs[freed]!) return;
      leastMs[freed] = costMs;
      masks[freed] = mask;
      return;
    }
    choose(place + 1, freed, costMs, mask);
    let withItMs = costMs;
    for (const lease of held[place]!) if (takers[lease]!++ === 0) withItMs += costsMs[lease]!;
    choose(place + 1, freed + 1, withItMs, mask | (1 << place));
    for (const lease of held[place]!) takers[lease]!--;
  };
  choose(0, 0, 0, 0);
  return cluster.map((_, place) => ({
    freed: place + 1,
    costMs: leastMs[place + 1]!,
    devices: () => cluster.filter((__, at) => (masks[place + 1]! & (1 << at)) !== 0),
  }));
}

function byUuid(a: VictimDevice, b: VictimDevice): number {
  return a.uuid < b.uuid ? -1 : 1;
}
