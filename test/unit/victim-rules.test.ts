import { describe, expect, it } from "vitest";
import { lyra, newestFirst, oldestFirst } from "../../bench/victims/rules.ts";
import type { VictimLease } from "../../src/core/eviction-cost.ts";
import type { VictimDevice } from "../../src/core/victim-device.ts";

const lease = (id: string, workedMs: number): VictimLease => ({
  id,
  permille: 1_000,
  checkpointAgeMs: null,
  workedMs,
  startMs: 0,
  remainingMs: null,
  hasNotice: false,
  isLeaving: false,
  evictions: 0,
  evictionsLeft: 1,
});
const device = (uuid: string, ...leases: VictimLease[]): VictimDevice => ({
  uuid,
  host: uuid.split("/")[0]!,
  leases,
});
const ids = (leases: ReadonlySet<VictimLease>) => [...leases].map(({ id }) => id).toSorted();

describe("peers' rules for victims", () => {
  const gang = lease("gang", 5);
  const devices = [
    device("a/0", lease("old", 30)),
    device("a/1", lease("young", 10)),
    device("b/0", gang),
    device("b/1", gang),
    device("b/2", lease("x", 40), lease("y", 50)),
  ];

  it("take the newest first, on the host that is the first to have enough, and give back who went for nothing", () => {
    expect(ids(newestFirst(devices, 1))).toEqual(["gang"]);
    expect(ids(newestFirst(devices.slice(0, 2), 2))).toEqual(["old", "young"]);
    expect(ids(newestFirst([...devices.slice(0, 2), device("c/0", lease("c", 1))], 2))).toEqual([
      "old",
      "young",
    ]);
  });

  it("take the oldest first", () => {
    expect(ids(oldestFirst(devices, 1))).toEqual(["x", "y"]);
  });

  it("take by Lyra what is the least part of a job, and count the rest of a gang for nothing then", () => {
    expect(ids(lyra(devices, 1))).toEqual(["gang"]);
    expect(ids(lyra(devices, 2))).toEqual(["gang"]);
    expect(ids(lyra(devices, 3))).toEqual(["gang", "x", "y"]);
  });
});
