import type { VictimLease } from "../../src/core/eviction-cost.ts";
import { holdersOf, type VictimDevice } from "../../src/core/victim-device.ts";

/** Which leases a peer would end, so that `count` devices are free: on one host where one has so many candidates. */
export type VictimRule = (devices: readonly VictimDevice[], count: number) => ReadonlySet<VictimLease>;

/**
 * Least time run first: Kueue (`CandidatesOrdering`: admitted more recently first, after priorities, which guests of one owner's
 * pool do not differ in), Slurm with `PreemptParameters=youngest_first`, OpenPBS' `preempt_sort: min_time_since_start`. As Kueue does, those
 * that are not needed after all are given back, the last first.
 */
export const newestFirst: VictimRule = (devices, count) =>
  inOrder(devices, count, (a, b) => a.workedMs - b.workedMs);

/** First in, first out. */
export const oldestFirst: VictimRule = (devices, count) =>
  inOrder(devices, count, (a, b) => b.workedMs - a.workedMs);

/**
 * Lyra (EuroSys'23): to take a server costs, for each job on it, the part of the job's servers that it is; the cheapest is taken, and the
 * costs are counted anew. There whole servers are lent and taken back; here a device stands for a server.
 */
export const lyra: VictimRule = (devices, count) => {
  const choices = hostsWithEnough(devices, count).map((host) => lyraOn(host, count));
  return choices.reduce((best, choice) => (choice.cost < best.cost ? choice : best)).ended;
};

function lyraOn(devices: readonly VictimDevice[], count: number) {
  const holders = holdersOf(devices);
  const ended = new Set<VictimLease>();
  let total = 0;
  const costOf = ({ leases }: VictimDevice) =>
    leases.reduce((sum, lease) => (ended.has(lease) ? sum : sum + 1 / holders.get(lease)!.length), 0);
  const left = new Set(devices);
  for (let taken = 0; taken < Math.min(count, devices.length); taken++) {
    let cheapest: VictimDevice | undefined;
    let cost = Infinity;
    for (const device of left) {
      const own = costOf(device);
      if (own < cost) [cheapest, cost] = [device, own];
    }
    left.delete(cheapest!);
    total += cost;
    for (const lease of cheapest!.leases) ended.add(lease);
  }
  return { ended, cost: total };
}

function inOrder(
  devices: readonly VictimDevice[],
  count: number,
  order: (a: VictimLease, b: VictimLease) => number,
): ReadonlySet<VictimLease> {
  const places = hostsWithEnough(devices, count);
  const ended = new Set<VictimLease>();
  const isFree = ({ leases }: VictimDevice) => leases.every((lease) => ended.has(lease));
  const isEnough = () => places.some((place) => place.filter(isFree).length >= Math.min(count, place.length));
  const leases = [...holdersOf(devices).keys()].toSorted(order);
  for (const lease of leases) {
    if (isEnough()) break;
    ended.add(lease);
  }
  for (const lease of [...ended].toReversed()) {
    ended.delete(lease);
    if (!isEnough()) ended.add(lease);
  }
  return ended;
}

/** Where the devices may come from: each host that has so many, or all of them together. */
function hostsWithEnough(devices: readonly VictimDevice[], count: number): (readonly VictimDevice[])[] {
  const hosts = [...Map.groupBy(devices, ({ host }) => host).values()];
  const enough = hosts.filter((host) => host.length >= count);
  return enough.length > 0 ? enough : [devices];
}
