import { costOf, type VictimLease } from "./eviction-cost.ts";
import { Heap } from "./heap.ts";
import { holdersOf, type VictimDevice } from "./victim-device.ts";

/** So many devices of a cluster, and what it costs to free them. */
export interface Way {
  readonly freed: number;
  readonly costMs: number;
  devices(): readonly VictimDevice[];
}

/** The rest of one device's leases ended: which those are, and what it costs for each device that is freed by it. */
interface Move {
  readonly place: number;
  readonly leases: readonly VictimLease[];
  readonly costMs: number;
}

/**
 * Ways for a cluster that is too large to try every choice: the device that frees the most for the least is taken, again and again,
 * every time counting what the leases ended so far have freed already. Each way goes on from the one before.
 */
export function greedyWays(cluster: readonly VictimDevice[]): readonly Way[] {
  const holders = holdersOf(cluster);
  const places = new Map(cluster.map((device, place) => [device, place]));
  const ended = new Set<VictimLease>();
  const freed = new Set<VictimDevice>();
  const freedInOrder: VictimDevice[] = [];
  const heldBy = (leases: readonly VictimLease[]) =>
    [...new Set(leases.flatMap((lease) => holders.get(lease)!))].filter((device) => !freed.has(device));

  const moveOf = (place: number): Move => {
    const leases = cluster[place]!.leases.filter((lease) => !ended.has(lease));
    const frees = heldBy(leases).filter((device) =>
      device.leases.every((lease) => ended.has(lease) || leases.includes(lease)),
    );
    return { place, leases, costMs: costOf(leases) / frees.length };
  };
  const isCheaper = (a: Move, b: Move) => (a.costMs === b.costMs ? a.place < b.place : a.costMs < b.costMs);
  const moves = new Heap(isCheaper, [...cluster.keys()].map(moveOf));

  let costMs = 0;
  const ways: Way[] = [];
  for (let best = moves.first; best !== undefined; best = moves.first) {
    moves.removeFirst();
    if (freed.has(cluster[best.place]!)) continue;
    const move = moveOf(best.place);
    if (move.costMs !== best.costMs) {
      moves.add(move);
      continue;
    }
    for (const lease of move.leases) ended.add(lease);
    costMs += costOf(move.leases);
    for (const device of heldBy(move.leases))
      if (device.leases.every((lease) => ended.has(lease))) {
        freed.add(device);
        freedInOrder.push(device);
      } else moves.add(moveOf(places.get(device)!));
    const count = freed.size;
    ways.push({ freed: count, costMs, devices: () => freedInOrder.slice(0, count) });
  }
  return ways;
}
