import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evictionCostMs, type VictimLease } from "../../src/core/eviction-cost.ts";
import type { VictimDevice } from "../../src/core/victim-device.ts";
import { chooseVictims } from "../../src/core/victims.ts";

const lease = (id: string, change: Partial<VictimLease> = {}): VictimLease => ({
  id,
  permille: 1000,
  checkpointAgeMs: 100_000,
  workedMs: 1_000_000,
  startMs: 30_000,
  remainingMs: null,
  hasNotice: false,
  isLeaving: false,
  evictions: 0,
  evictionsLeft: 100,
  ...change,
});
const device = (uuid: string, ...leases: VictimLease[]): VictimDevice => ({
  uuid,
  host: uuid.split("/")[0]!,
  leases,
});

describe("victims of a recall", () => {
  it("are the devices that are not lent, before any guest is disturbed", () => {
    expect(chooseVictims([device("h/a", lease("l-1")), device("h/b"), device("h/c")], 2)).toEqual({
      devices: ["h/b", "h/c"],
      leases: [],
      costMs: 0,
    });
  });

  it("are the guests that have just written a checkpoint; one that never did loses all of its work", () => {
    const candidates = [
      device("h/a", lease("never", { checkpointAgeMs: null })),
      device("h/b", lease("old", { checkpointAgeMs: 500_000 })),
      device("h/c", lease("new", { checkpointAgeMs: 1_000 })),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["new"]);
    expect(chooseVictims(candidates, 2).leases).toEqual(["old", "new"]);
    expect(chooseVictims(candidates, 2).costMs).toBe(530_000 + 31_000);
  });

  it("count the whole gang once one of its devices is taken, and take the gang's other devices for nothing", () => {
    const gang = lease("gang", { permille: 4_000, checkpointAgeMs: 20_000 });
    const candidates = [
      ...["h/a", "h/b", "h/c", "h/d"].map((uuid) => device(uuid, gang)),
      device("h/e", lease("e", { checkpointAgeMs: 100_000 })),
      device("h/f", lease("f", { checkpointAgeMs: 100_000 })),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["e"]);
    expect(chooseVictims(candidates, 4)).toEqual({
      devices: ["h/a", "h/b", "h/c", "h/d"],
      leases: ["gang"],
      costMs: 200_000,
    });
  });

  it("lie on one host where one has enough, even if single devices elsewhere are free", () => {
    const candidates = [
      device("h1/a"),
      device("h2/a"),
      device("h3/a", lease("x")),
      device("h3/b", lease("y")),
    ];
    expect(chooseVictims(candidates, 2).devices).toEqual(["h3/a", "h3/b"]);
    expect(chooseVictims(candidates, 3).devices).toHaveLength(3);
  });

  it("are those about to finish last", () => {
    const candidates = [
      device("h/a", lease("finishing", { checkpointAgeMs: 0, remainingMs: 20_000 })),
      device("h/b", lease("never", { checkpointAgeMs: null, workedMs: 86_400_000 })),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["never"]);
  });

  it("need every guest of a shared device to go", () => {
    const candidates = [
      device("h/a", lease("s-1", { permille: 300 }), lease("s-2", { permille: 300 })),
      device("h/b", lease("whole")),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["s-1", "s-2"]);
  });

  it("are all there are where fewer are there than asked for", () => {
    expect(chooseVictims([device("h1/a", lease("x")), device("h2/a")], 5).devices).toEqual(["h1/a", "h2/a"]);
    expect(chooseVictims([], 1)).toEqual({ devices: [], leases: [], costMs: 0 });
  });
});

const anyLease = (id: string) =>
  fc
    .record({
      checkpointAgeMs: fc.option(fc.integer({ min: 0, max: 600_000 }), { nil: null, freq: 6 }),
      workedMs: fc.integer({ min: 0, max: 3_600_000 }),
      permille: fc.constantFrom(1000, 1000, 500, 2000),
    })
    .map((change) => lease(id, change));

/** Hosts with free, lent and shared devices and gangs of neighbours. */
const anyFleet = (hosts: number, devicesMax: number): fc.Arbitrary<VictimDevice[]> =>
  fc
    .array(
      fc.array(
        fc.tuple(fc.constantFrom("free", "lent", "lent", "shared", "gang"), anyLease("a"), anyLease("b")),
        {
          minLength: 1,
          maxLength: devicesMax,
        },
      ),
      { minLength: hosts, maxLength: hosts },
    )
    .map((fleet) =>
      fleet.flatMap((kinds, host) => {
        let before: VictimLease | undefined;
        return kinds.map(([kind, a, b], index) => {
          const one = { ...a, id: `${host}-${index}-a` };
          const two = { ...b, id: `${host}-${index}-b`, permille: 400 };
          const leases = { free: [], lent: [one], shared: [one, two], gang: [before ?? one] }[kind] ?? [];
          before = kind === "gang" ? leases[0] : before;
          return device(`h${host}/${index}`, ...leases);
        });
      }),
    );

/** The least that any choice costs. */
function leastCostMs(devices: readonly VictimDevice[], count: number): number {
  let least = Infinity;
  for (let mask = 0; mask < 2 ** devices.length; mask++) {
    const chosen = devices.filter((_, index) => (mask >> index) % 2 === 1);
    if (chosen.length !== count) continue;
    const leases = new Set(chosen.flatMap((one) => one.leases));
    least = Math.min(
      least,
      [...leases].reduce((sum, one) => sum + evictionCostMs(one), 0),
    );
  }
  return least;
}

describe("graded against trying every choice", () => {
  it("is exact on one host", () => {
    fc.assert(
      fc.property(anyFleet(1, 8), fc.nat(), (devices, any) => {
        const count = 1 + (any % devices.length);
        const chosen = chooseVictims(devices, count);
        expect(new Set(chosen.devices).size).toBe(count);
        expect(chosen.costMs).toBeCloseTo(leastCostMs(devices, count), 3);
      }),
      { numRuns: 300 },
    );
  });

  it("takes the cheapest host where one has enough", () => {
    fc.assert(
      fc.property(anyFleet(3, 4), fc.integer({ min: 1, max: 4 }), (devices, count) => {
        const hosts = [...Map.groupBy(devices, ({ host }) => host).values()].filter(
          (host) => host.length >= count,
        );
        fc.pre(hosts.length > 0);
        const least = Math.min(...hosts.map((host) => leastCostMs(host, count)));
        expect(chooseVictims(devices, count).costMs).toBeCloseTo(least, 3);
      }),
      { numRuns: 200 },
    );
  });

  it("is close over several hosts: 3 % dearer than the best on average, never twice", () => {
    const ratios: number[] = [];
    for (const devices of fc.sample(anyFleet(4, 3), { numRuns: 400, seed: 7 })) {
      const largest = Math.max(
        ...[...Map.groupBy(devices, ({ host }) => host).values()].map((host) => host.length),
      );
      for (let count = largest + 1; count < devices.length; count += 2) {
        const least = leastCostMs(devices, count);
        const { costMs, devices: chosen } = chooseVictims(devices, count);
        expect(chosen).toHaveLength(count);
        ratios.push(least === 0 ? 1 + costMs : costMs / least);
      }
    }
    expect(ratios.length).toBeGreaterThan(400);
    expect(Math.max(...ratios)).toBeLessThan(2);
    expect(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length).toBeLessThan(1.03);
  });

  it("chooses the same whatever the order of the candidates", () => {
    fc.assert(
      fc.property(anyFleet(3, 4), fc.integer({ min: 1, max: 8 }), (devices, count) => {
        expect(chooseVictims(devices.toReversed(), count)).toEqual(chooseVictims(devices, count));
      }),
    );
  });
});
