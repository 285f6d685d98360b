import { evictionCostMs } from "./eviction-cost.ts";
import { holdersOf, type VictimDevice } from "./victim-device.ts";
import { greedyWays, type Way } from "./victims-greedy.ts";

/** So many choices of devices are tried in all: some ms. */
const choicesMax = 2 ** 18;
/** Those of a host of ten are tried in any case. */
const choicesMin = 2 ** 10;

/**
 * Of one of so many clusters; none is worse than another of at least as many devices. Every choice of devices is tried, unless guests
 * that share tie too many of them together.
 */
export function waysToFree(cluster: readonly VictimDevice[], clusters: number): readonly Way[] {
  const isFew = 2 ** cluster.length <= Math.max(choicesMin, choicesMax / clusters);
  const ways = isFew ? allWays(cluster) : greedyWays(cluster);
  const worthIt: Way[] = [];
  for (const way of ways.toReversed())
    if (way.costMs < (worthIt.at(-1)?.costMs ?? Infinity)) worthIt.push(way);
  return worthIt;
}

/** Keeps the cheapest choice of each number of devices. */
function allWays(cluster: readonly VictimDevice[]): readonly Way[] {
  const leases = [...holdersOf(cluster).keys()];
  const costsMs = leases.map(evictionCostMs);
  const held = cluster.map((device) => device.leases.map((lease) => leases.indexOf(lease)));
  const takers = new Uint8Array(leases.length);
  const leastMs = new Float64Array(cluster.length + 1).fill(Infinity);
  const masks = new Uint32Array(cluster.length + 1);
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
