import type { DeviceUuid } from "./device.ts";
import { Heap } from "./heap.ts";

/** A lent device, or a free one, that an owner may take back. */
export interface VictimDevice {
  readonly uuid: DeviceUuid;
  readonly host: string;
  /** Empty: not lent. A gang's lease is the same object on each of its devices. */
  readonly leases: readonly VictimLease[];
}

/** What it costs to end a lease. */
export interface VictimLease {
  readonly id: string;
  /** Thousandths of a device, summed over the whole gang. */
  readonly permille: number;
  /** Measured; null: no checkpoint was ever written. */
  readonly checkpointAgeMs: number | null;
  readonly workedMs: number;
  /** What starting it again takes. */
  readonly startMs: number;
  /** By the guest's own hint; null: it gave none. */
  readonly remainingMs: number | null;
}

export interface Victims {
  readonly devices: readonly DeviceUuid[];
  /** Leases to end; a gang goes whole. */
  readonly leases: readonly string[];
  /** Device time that is lost. */
  readonly costMs: number;
}

/** A guest that ends within this time is left to end. */
const finishingWithinMs = 60_000;
/** More than any work is worth: those about to finish go last. */
const finishingCostMs = 1e12;
/** Hosts of up to so many devices are searched exactly. */
const exactDevicesMax = 8;

/** Device time lost with a lease: the work since its last checkpoint and a new start, on all of its devices. */
export function evictionCostMs(lease: VictimLease): number {
  const lostMs = (lease.checkpointAgeMs ?? lease.workedMs) + lease.startMs;
  const isFinishing = lease.remainingMs !== null && lease.remainingMs <= finishingWithinMs;
  return (lease.permille / 1000) * lostMs + (isFinishing ? finishingCostMs : 0);
}

/**
 * Which `count` devices an owner gets back. Where a host has so many, all of them come from one host, so that the owner's shape is
 * kept; among such choices, and where no host has enough, the one that loses the least guests' work. Devices that are not
 * lent cost nothing. Fewer candidates than asked for: all of them.
 */
export function chooseVictims(candidates: readonly VictimDevice[], count: number): Victims {
  const devices = candidates.toSorted(byHostAndUuid);
  const byHost = [...Map.groupBy(devices, ({ host }) => host).values()];
  const choices = byHost
    .filter((host) => host.length >= count)
    .map((host) => victims(host.length <= exactDevicesMax ? cheapest(host, count) : greedy(host, count)));
  const [first, ...others] = choices;
  if (first === undefined) return victims(greedy(devices, count));
  return others.reduce((best, choice) => (choice.costMs < best.costMs ? choice : best), first);
}

function victims(devices: readonly VictimDevice[]): Victims {
  const leases = [...new Set(devices.flatMap((device) => device.leases))];
  return {
    devices: devices.map(({ uuid }) => uuid),
    leases: leases.map(({ id }) => id),
    costMs: costOf(leases),
  };
}

function costOf(leases: Iterable<VictimLease>): number {
  let costMs = 0;
  for (const lease of leases) costMs += evictionCostMs(lease);
  return costMs;
}

/** Tries every choice. */
function cheapest(devices: readonly VictimDevice[], count: number): readonly VictimDevice[] {
  let best: readonly VictimDevice[] = [];
  let bestMs = Infinity;
  for (let mask = 0; mask < 2 ** devices.length; mask++) {
    if (bitsOf(mask) !== count) continue;
    const chosen = devices.filter((_, index) => (mask & (1 << index)) !== 0);
    const costMs = costOf(new Set(chosen.flatMap(({ leases }) => leases)));
    if (costMs >= bestMs) continue;
    best = chosen;
    bestMs = costMs;
  }
  return best;
}

function bitsOf(mask: number): number {
  let bits = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) bits++;
  return bits;
}

/** One device's leases ended: which those are, and what it costs for each device that is freed by it. */
interface Move {
  readonly index: number;
  readonly leases: readonly VictimLease[];
  readonly costMs: number;
}

/**
 * Takes the device that frees the most for the least, again and again, every time counting what the leases ended so far have
 * freed already; then gives back, dearest first, each lease that is not needed after all.
 */
function greedy(devices: readonly VictimDevice[], count: number): readonly VictimDevice[] {
  const wanted = Math.min(count, devices.length);
  const ended = new Set<VictimLease>();
  const isFree = ({ leases }: VictimDevice) => leases.every((lease) => ended.has(lease));
  const places = placesByLease(devices);
  const placesOf = (leases: readonly VictimLease[]) =>
    new Set(leases.flatMap((lease) => places.get(lease) ?? []));
  let missing = wanted - devices.filter(isFree).length;

  const moveOf = (index: number): Move => {
    const leases = devices[index]!.leases.filter((lease) => !ended.has(lease));
    let gain = 0;
    for (const place of placesOf(leases))
      if (devices[place]!.leases.every((lease) => ended.has(lease) || leases.includes(lease))) gain++;
    return { index, leases, costMs: costOf(leases) / Math.min(gain, Math.max(1, missing)) };
  };
  const isCheaper = (a: Move, b: Move) => (a.costMs === b.costMs ? a.index < b.index : a.costMs < b.costMs);
  const lent = [...devices.keys()].filter((index) => !isFree(devices[index]!));
  const moves = new Heap(isCheaper, lent.map(moveOf));
  while (missing > 0) {
    const { index, costMs } = moves.first!;
    moves.removeFirst();
    if (isFree(devices[index]!)) continue;
    const move = moveOf(index);
    if (move.costMs !== costMs) {
      moves.add(move);
      continue;
    }
    for (const lease of move.leases) ended.add(lease);
    for (const place of placesOf(move.leases))
      if (isFree(devices[place]!)) missing--;
      else moves.add(moveOf(place));
  }

  let spare = -missing;
  for (const lease of [...ended].toSorted(dearestFirst)) {
    const held = placesOf([lease])
      .values()
      .filter((place) => isFree(devices[place]!))
      .toArray().length;
    if (held > spare) continue;
    ended.delete(lease);
    spare -= held;
  }
  return onFewestHosts(devices.filter(isFree)).slice(0, wanted);
}

function placesByLease(devices: readonly VictimDevice[]): Map<VictimLease, number[]> {
  const places = new Map<VictimLease, number[]>();
  devices.forEach(({ leases }, place) => {
    for (const lease of leases) {
      const list = places.get(lease);
      if (list === undefined) places.set(lease, [place]);
      else list.push(place);
    }
  });
  return places;
}

function dearestFirst(a: VictimLease, b: VictimLease): number {
  return evictionCostMs(b) - evictionCostMs(a) || (a.id < b.id ? -1 : 1);
}

/** Those of the hosts with the most devices first. */
function onFewestHosts(devices: readonly VictimDevice[]): VictimDevice[] {
  const hosts = [...Map.groupBy(devices, ({ host }) => host).values()];
  return hosts.toSorted((a, b) => b.length - a.length).flat();
}

function byHostAndUuid(a: VictimDevice, b: VictimDevice): number {
  if (a.host !== b.host) return a.host < b.host ? -1 : 1;
  return a.uuid < b.uuid ? -1 : a.uuid > b.uuid ? 1 : 0;
}
