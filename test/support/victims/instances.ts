import type { VictimLease } from "../../../src/core/eviction-cost.ts";
import type { VictimDevice } from "../../../src/core/victim-device.ts";

/** Devices of a pool with the guests on them, and how many their owner wants. */
export interface Instance {
  readonly devices: readonly VictimDevice[];
  readonly count: number;
}

/** Uniform in [0, 1). */
export type Random = () => number;

export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)]!;
}

/**
 * Two to six hosts of two to eight devices, a fifth of them free, with guests alone, gangs of up to four, and guests that share; every
 * third fleet has gangs that lie on two hosts, every fourth shares of gangs. Half of the owners want more than any host has.
 */
export function randomInstance(random: Random): Instance {
  const hosts = 2 + below(random, 5);
  const size = 2 + below(random, 7);
  const [gangsCross, gangsShare] = [hosts * size <= 16 && random() < 1 / 3, random() < 1 / 4];
  const leases: VictimLease[][] = [];
  let gang: VictimLease | null = null;
  for (let place = 0; place < hosts * size; place++) {
    if (gang !== null && (random() < 0.4 || (place % size === 0 && !gangsCross))) gang = null;
    const draw = random();
    if (gang !== null)
      leases.push(gangsShare && draw < 0.4 ? [gang, anyLease(random, `${place}`, 400)] : [gang]);
    else if (draw < 0.2) leases.push([]);
    else if (draw < 0.3)
      leases.push([anyLease(random, `${place}a`, 400), anyLease(random, `${place}b`, 400)]);
    else {
      const one = anyLease(random, `${place}`, draw < 0.6 ? 1000 * (1 + below(random, 4)) : 1000);
      if (draw < 0.6) gang = one;
      leases.push([one]);
    }
  }
  const most = random() < 0.5 ? size : hosts * size;
  return {
    devices: leases.map((its, place) => ({
      uuid: `${place}`.padStart(3, "0"),
      host: `host-${Math.floor(place / size)}`,
      leases: its,
    })),
    count: most === size ? 1 + below(random, size) : size + 1 + below(random, most - size),
  };
}

/** Gangs of two or three, each of which shares devices with the next: all eleven to fourteen devices are tied together. */
export function tangledInstance(random: Random): Instance {
  const size = 11 + below(random, 4);
  const leases: VictimLease[][] = Array.from({ length: size }, () => []);
  for (let first = 0; first < size - 1; first++) {
    const span = 2 + below(random, 2);
    const gang = anyLease(random, `${first}`, 300 * span);
    for (const its of leases.slice(first, first + span)) its.push(gang);
  }
  const devices = leases.map((its, place) => ({
    uuid: `${place}`.padStart(3, "0"),
    host: `host-${place}`,
    leases: its,
  }));
  return { devices, count: 2 + below(random, size - 3) };
}

function anyLease(random: Random, id: string, permille: number): VictimLease {
  return {
    id,
    permille,
    checkpointAgeMs: random() < 0.15 ? null : below(random, 600_000),
    workedMs: below(random, 3_600_000),
    startMs: pick(random, [5_000, 30_000, 120_000]),
    remainingMs: null,
    hasNotice: random() < 0.5,
    isLeaving: false,
    evictions: pick(random, [0, 0, 0, 1, 3]),
    evictionsLeft: 100,
  };
}
