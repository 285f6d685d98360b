import { evictionCostMs } from "../../../src/core/eviction-cost.ts";
import type { VictimDevice } from "../../../src/core/victim-device.ts";

/** By the number of devices: the least that any choice of so many costs, ms. */
type Curve = readonly number[];

/** More devices than that in one part are too many to try every choice of. */
const triedMax = 18;

/**
 * The least that `count` devices cost by the rule of `chooseVictims`, ms; shares no code with it. Every choice of devices is tried in
 * each part, which is a host, or several that gangs tie together; an exact knapsack puts the parts together.
 */
export function leastCostMs(devices: readonly VictimDevice[], count: number): number {
  const hosts = [...Map.groupBy(devices, ({ host }) => host).values()];
  const enough = hosts.filter((host) => host.length >= count);
  if (enough.length > 0) return Math.min(...enough.map((host) => tryAll(host)[count]!));
  const curve = tiedTogether(hosts).map(tryAll).reduce(both, [0]);
  return curve[Math.min(count, devices.length)]!;
}

/** Tries every choice. */
function tryAll(devices: readonly VictimDevice[]): Curve {
  if (devices.length > triedMax) throw new RangeError(`${devices.length} devices in one part`);
  const least = Array.from({ length: devices.length + 1 }, () => Infinity);
  for (let mask = 0; mask < 2 ** devices.length; mask++) {
    const chosen = devices.filter((_, place) => (mask >> place) % 2 === 1);
    const leases = new Set(chosen.flatMap((device) => device.leases));
    let costMs = 0;
    for (const lease of leases) costMs += evictionCostMs(lease);
    least[chosen.length] = Math.min(least[chosen.length]!, costMs);
  }
  return least;
}

function both(a: Curve, b: Curve): Curve {
  return Array.from({ length: a.length + b.length - 1 }, (_, count) =>
    Math.min(...b.map((costMs, ofB) => (a[count - ofB] ?? Infinity) + costMs)),
  );
}

function tiedTogether(hosts: readonly (readonly VictimDevice[])[]): (readonly VictimDevice[])[] {
  const parts: (readonly VictimDevice[])[] = [];
  for (const host of hosts) {
    const leases = new Set(host.flatMap((device) => device.leases));
    const tied = parts.filter((part) =>
      part.some((device) => device.leases.some((lease) => leases.has(lease))),
    );
    for (const part of tied) parts.splice(parts.indexOf(part), 1);
    parts.push([...host, ...tied.flat()]);
  }
  return parts;
}
