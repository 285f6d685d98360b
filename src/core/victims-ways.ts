import { evictionCostMs } from "./eviction-cost.ts";
import { holdersOf, type VictimDevice } from "./victim-device.ts";
import { greedyWays, type Way } from "./victims-greedy.ts";

/** In clusters of up to so many devices every choice is tried; a host's is no larger, as a rule. */
const exactDevicesMax = 10;

/** None is worse than another of at least as many devices. */
export function waysToFree(cluster: readonly VictimDevice[]): readonly Way[] {
  const ways = cluster.length <= exactDevicesMax ? allWays(cluster) : greedyWays(cluster);
  const worthIt: Way[] = [];
  for (const way of ways.toReversed())
    if (way.costMs < (worthIt.at(-1)?.costMs ?? Infinity)) worthIt.push(way);
  return worthIt;
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
