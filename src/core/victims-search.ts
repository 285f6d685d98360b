import type { VictimLease } from "./eviction-cost.ts";
import { byUuid, type VictimDevice } from "./victim-device.ts";
import { clustersOf, type Whole } from "./victims-clusters.ts";
import type { Way } from "./victims-greedy.ts";
import { waysToFree } from "./victims-ways.ts";

/** What it costs at least to free so many devices with the clusters so far, by their number. */
type Curve = Float64Array;

/** Clusters that were added to the curve, and what is done with them where so many devices are missing. */
interface Stage {
  chosen(missing: number): { readonly freed: number; readonly devices: readonly VictimDevice[] };
}

/**
 * The devices that are free once those leases have ended that cost least of all by which `count` are: more where a gang is larger
 * than what was missing, all where there are fewer.
 *
 * Devices that share no guest, directly or by others, are clusters of their own: what one costs does not depend on the rest. A
 * knapsack over the clusters is therefore exact where the ways of each cluster are.
 */
export function freeAtLeast(devices: readonly VictimDevice[], count: number): readonly VictimDevice[] {
  if (count >= devices.length) return devices;
  const { bySize, others } = clustersOf(devices);
  const curve: Curve = new Float64Array(count + 1).fill(Infinity, 1);
  const stages = [
    ...others.map((cluster) => addOneOf(curve, waysToFree(cluster, others.length))),
    ...[...bySize].map(([size, clusters]) =>
      addSomeOf(curve, size, cheapest(clusters, Math.ceil(count / size))),
    ),
  ];
  const ended = new Set<VictimLease>();
  let missing = count;
  for (const stage of stages.toReversed()) {
    const { freed, devices: taken } = stage.chosen(missing);
    for (const { leases } of taken) for (const lease of leases) ended.add(lease);
    missing = Math.max(0, missing - freed);
  }
  return devices.filter(({ leases }) => leases.every((lease) => ended.has(lease)));
}

/** The cheapest, in order. */
function cheapest(clusters: readonly Whole[], count: number): readonly Whole[] {
  const costs = Float64Array.from(clusters, ({ costMs }) => costMs).toSorted();
  const most = costs[Math.min(count, costs.length) - 1]!;
  const inOrder = clusters
    .filter(({ costMs }) => costMs <= most)
    .toSorted((a, b) => a.costMs - b.costMs || byUuid(a.devices[0]!, b.devices[0]!));
  return inOrder.slice(0, count);
}

/** One cluster of several ways. */
function addOneOf(curve: Curve, ways: readonly Way[]): Stage {
  const before = curve.slice();
  const places = ways.length < 256 ? new Uint8Array(curve.length) : new Uint32Array(curve.length);
  ways.forEach(({ freed, costMs }, way) => {
    for (let missing = 1; missing < curve.length; missing++) {
      const withItMs = (missing < freed ? 0 : before[missing - freed]!) + costMs;
      if (withItMs >= curve[missing]!) continue;
      curve[missing] = withItMs;
      places[missing] = way + 1;
    }
  });
  return {
    chosen: (missing) => {
      const way = ways[places[missing]! - 1];
      return way === undefined ? { freed: 0, devices: [] } : { freed: way.freed, devices: way.devices() };
    },
  };
}

/**
 * Clusters of one size that go whole: always the cheapest of them. Their cost is convex in their number, so that the more devices are
 * missing, the more are freed by the stages before: between two rows whose best is known, a row's best lies between theirs.
 */
function addSomeOf(curve: Curve, size: number, clusters: readonly Whole[]): Stage {
  const before = curve.slice();
  const numbers = new Uint32Array(curve.length);
  const sums = new Float64Array(clusters.length + 1);
  clusters.forEach(({ costMs }, place) => (sums[place + 1] = sums[place]! + costMs));

  // Rows are the numbers of missing devices with one remainder; `rest`: as many clusters' worth is freed by the stages before.
  const fill = (over: number, from: number, to: number, restMin: number, restMax: number): void => {
    if (from > to) return;
    const row = (from + to) >> 1;
    let best = -1;
    let leastMs = Infinity;
    for (let rest = Math.max(restMin, row - clusters.length); rest <= Math.min(restMax, row); rest++) {
      const costMs = before[Math.max(0, rest * size - over)]! + sums[row - rest]!;
      if (costMs >= leastMs) continue;
      leastMs = costMs;
      best = rest;
    }
    if (best < 0) {
      // There are too few: nor are there enough for the rows above.
      fill(over, from, row - 1, restMin, restMax);
      return;
    }
    curve[row * size - over] = leastMs;
    numbers[row * size - over] = row - best;
    fill(over, from, row - 1, restMin, best);
    fill(over, row + 1, to, best, restMax);
  };
  for (let over = 0; over < size; over++) {
    const rows = Math.floor((curve.length - 1 + over) / size);
    fill(over, 1, rows, 0, rows);
  }
  return {
    chosen: (missing) => {
      const taken = clusters.slice(0, numbers[missing]);
      return { freed: taken.length * size, devices: taken.flatMap(({ devices }) => devices) };
    },
  };
}
