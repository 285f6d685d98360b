import fc from "fast-check";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { evictionCostMs, type VictimLease } from "../../src/core/eviction-cost.ts";
import type { VictimDevice } from "../../src/core/victim-device.ts";
import { greedyWays } from "../../src/core/victims-greedy.ts";
import { chooseVictims } from "../../src/core/victims.ts";
import { realTrace } from "../support/backtest/referee.ts";
import { seeded } from "../../src/backtest/seeded.ts";
import { below, pick, randomInstance, tangledInstance, type Instance } from "../support/victims/instances.ts";
import { leastCostMs } from "../support/victims/judge.ts";
import { readFleetTraces, traceFiles, traceInstance } from "../support/victims/trace-instances.ts";

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

  it("are rather those whom the deadline leaves their notice than those who would be killed", () => {
    const candidates = [
      device("h/a", lease("killed", { checkpointAgeMs: 100_000 })),
      device("h/b", lease("told", { checkpointAgeMs: 120_000, hasNotice: true })),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["told"]);
    const never = lease("never", { checkpointAgeMs: null, hasNotice: true, workedMs: 110_000 });
    expect(chooseVictims([candidates[0]!, device("h/c", never)], 1).leases).toEqual(["killed"]);
  });

  it("are those that leave anyway, since nobody else has to go then", () => {
    const candidates = [
      device("h/a", lease("fresh", { checkpointAgeMs: 0, startMs: 1 })),
      device("h/b", lease("recalled", { isLeaving: true })),
    ];
    expect(chooseVictims(candidates, 1)).toEqual({ devices: ["h/b"], leases: ["recalled"], costMs: 0 });
  });

  it("are not always the same: who was evicted often goes later, who has no eviction left last", () => {
    const candidates = [
      device("h/a", lease("often", { checkpointAgeMs: 0, evictions: 3 })),
      device("h/b", lease("once", { checkpointAgeMs: 100_000, evictions: 1 })),
      device("h/c", lease("spent", { checkpointAgeMs: 0, evictionsLeft: 0 })),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["once"]);
    expect(chooseVictims(candidates, 2).leases).toEqual(["often", "once"]);
  });

  it("are guests whose own hint is long over like any others", () => {
    const candidates = [
      device("h/a", lease("wrong", { remainingMs: -3_600_000, checkpointAgeMs: 0 })),
      device("h/b", lease("other")),
    ];
    expect(chooseVictims(candidates, 1).leases).toEqual(["wrong"]);
  });

  it("cost no more work than was done, whatever the age of the checkpoint", () => {
    expect(evictionCostMs(lease("a", { checkpointAgeMs: 900_000, workedMs: 1_000, startMs: 0 }))).toBe(1_000);
  });
});

/** By how much ours is dearer than the least. */
function ratioOf({ devices, count }: Instance): number {
  const chosen = chooseVictims(devices, count);
  expect(new Set(chosen.devices).size).toBe(Math.min(count, devices.length));
  const ended = new Set(chosen.leases);
  for (const uuid of chosen.devices)
    for (const { id } of devices.find((one) => one.uuid === uuid)!.leases) expect(ended).toContain(id);
  const leastMs = leastCostMs(devices, count);
  return leastMs === 0 ? 1 + chosen.costMs : chosen.costMs / leastMs;
}

const anyInstance = fc.integer().map((seed) => randomInstance(seeded(seed)));

/** Racks of hosts of eight, and far more wanted than one host has. */
function largeInstance(random: () => number): Instance {
  const { devices } = randomInstance(random);
  const hosts = 12 + below(random, 20);
  const all = Array.from({ length: hosts }, (_, host) => {
    const copies = new Map<VictimLease, VictimLease>();
    const copy = (one: VictimLease) => {
      const known = copies.get(one) ?? {
        ...one,
        id: `${host}/${one.id}`,
        workedMs: below(random, 3_600_000),
        startMs: pick(random, [0, 30_000]),
      };
      copies.set(one, known);
      return known;
    };
    return devices
      .slice(0, 8)
      .map(({ uuid, leases }) => ({ uuid: `${host}/${uuid}`, host: `h${host}`, leases: leases.map(copy) }));
  }).flat();
  return { devices: all, count: 9 + below(random, all.length - 9) };
}

describe("graded against an exact judge", () => {
  it("by a judge who finds what trying every choice finds", () => {
    for (let seed = 0; seed < 60; seed++) {
      const { devices, count } = randomInstance(seeded(seed));
      const hosts = new Set(devices.map(({ host }) => host));
      if (
        devices.length > 12 ||
        [...hosts].some((host) => devices.filter((d) => d.host === host).length >= count)
      )
        continue;
      const onOne = devices.map((one) => ({ ...one, host: "one" }));
      expect(leastCostMs(devices, count)).toBeCloseTo(leastCostMs(onOne, count), 3);
    }
  });

  it("cost the exact least on one host and on several, with gangs on one or two hosts and shared devices", () => {
    fc.assert(
      fc.property(anyInstance, (instance) => {
        expect(ratioOf(instance)).toBeCloseTo(1, 9);
      }),
      { numRuns: 300 },
    );
  });

  it("cost the exact least of many hosts", () => {
    for (let seed = 0; seed < 40; seed++) expect(ratioOf(largeInstance(seeded(seed)))).toBeCloseTo(1, 9);
  });

  it("cost the exact least where gangs that share devices tie more than a host's together", () => {
    for (let seed = 0; seed < 20; seed++) expect(ratioOf(tangledInstance(seeded(seed)))).toBeCloseTo(1, 9);
  });

  it("cost about a tenth more, and never twice as much, where too many are tied together to try all", () => {
    const ratios = Array.from({ length: 60 }, (_, seed) => {
      const { devices, count } = tangledInstance(seeded(seed));
      const way = greedyWays(devices).find(({ freed }) => freed >= count)!;
      expect(way.devices()).toHaveLength(way.freed);
      return way.costMs / leastCostMs(devices, count);
    });
    expect(Math.max(...ratios)).toBeLessThan(2);
    expect(ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length).toBeLessThan(1.15);
  });

  it("cost the exact least on fleets made from traces", async ({ skip }) => {
    const paths = traceFiles.map(realTrace);
    if (paths.includes(null)) skip("there are no ../shared/traces");
    const traces = await readFleetTraces(dirname(paths[0]!));
    for (let seed = 0; seed < 40; seed++)
      expect(ratioOf(traceInstance(traces, seeded(seed), seed % 2 === 0 ? 1 : 16))).toBeCloseTo(1, 9);
  });

  it("are the same whatever the order of the candidates", () => {
    fc.assert(
      fc.property(anyInstance, ({ devices, count }) => {
        expect(chooseVictims(devices.toReversed(), count)).toEqual(chooseVictims(devices, count));
      }),
    );
  });
});
