import type { DeviceUuid } from "./device.ts";

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
    const chosen = devices.filter((_, index) => (mask & (1 << index)) !== 0);
    if (chosen.length !== count) continue;
    const costMs = costOf(new Set(chosen.flatMap(({ leases }) => leases)));
    if (costMs >= bestMs) continue;
    best = chosen;
    bestMs = costMs;
  }
  return best;
}

/**
 * Takes the device that frees the most for the least, again and again, every time counting what the leases ended so far have
 * freed already; then gives back, dearest first, each lease that is not needed after all.
 */
function greedy(devices: readonly VictimDevice[], count: number): readonly VictimDevice[] {
  const ended = new Set<VictimLease>();
  const isFree = ({ leases }: VictimDevice) => leases.every((lease) => ended.has(lease));
  const devicesOf = new Map<VictimLease, VictimDevice[]>();
  for (const device of devices)
    for (const lease of device.leases) {
      const list = devicesOf.get(lease);
      if (list === undefined) devicesOf.set(lease, [device]);
      else list.push(device);
    }

  const wanted = Math.min(count, devices.length);
  for (let missing = wanted - devices.filter(isFree).length; missing > 0;) {
    let best: readonly VictimLease[] = [];
    let bestMs = Infinity;
    let bestGain = 0;
    for (const device of devices) {
      if (isFree(device)) continue;
      const move = device.leases.filter((lease) => !ended.has(lease));
      const touched = new Set(move.flatMap((lease) => devicesOf.get(lease) ?? []));
      let gain = 0;
      for (const { leases } of touched)
        if (leases.every((lease) => ended.has(lease) || move.includes(lease))) gain++;
      const costMs = costOf(move) / Math.min(gain, missing);
      if (costMs >= bestMs) continue;
      best = move;
      bestMs = costMs;
      bestGain = gain;
    }
    for (const lease of best) ended.add(lease);
    missing -= bestGain;
  }

  const dearestFirst = [...ended].toSorted(
    (a, b) => evictionCostMs(b) - evictionCostMs(a) || (a.id < b.id ? -1 : 1),
  );
  for (const lease of dearestFirst) {
    ended.delete(lease);
    if (devices.filter(isFree).length < wanted) ended.add(lease);
  }
  return onFewestHosts(devices.filter(isFree)).slice(0, wanted);
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
