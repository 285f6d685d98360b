import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import type { LeaseStep } from "../../src/api/convert/lease.ts";
import { Fleet } from "../../src/controller/fleet.ts";
import type { GuestMoves } from "../../src/controller/guest-moves.ts";
import type { OwnerSignals } from "../../src/controller/owner-signals.ts";
import { PoolReserves } from "../../src/controller/pool-reserves.ts";
import type { OwnerState } from "../../src/core/device.ts";
import type { DemandPast, DemandQuery, PoolPast } from "../../src/core/reserve/demand-past.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { lease as leaseOf, pool } from "../support/snapshots.ts";

const settings = parseSettings({}, "test");
const tickMs = settings.telemetry.sampleIntervalMs;
const size = 20;

const wallFromMs = Date.parse("2026-11-01");
const patient = new AbortController().signal;
type Ask<Answer = DemandPast | Error> = (query: DemandQuery) => Answer;
const noPast: Ask = ({ fromMs, stepMs }) => ({ ticks: { fromMs, stepMs, count: 0 }, pools: [] });

/** Of ticks up to `lastMs`, each as so many of the pool's devices were used. */
function pastOf(busy: readonly number[], lastMs: number): Ask<DemandPast> {
  return ({ fromMs, stepMs }) => {
    const firstMs = lastMs - (busy.length - 1) * stepMs;
    const told = busy.filter((_, tick) => firstMs + tick * stepMs >= fromMs);
    const column = (of: (at: number) => number) =>
      Int32Array.from({ length: told.length }, (_, at) => of(at));
    const pool: PoolPast = {
      pool: "pool-1",
      total: column(() => size),
      known: column(() => size),
      busy: column((at) => told[at]!),
      lent: column(() => 0),
      taken: column((at) => Math.max(0, told[at]! - (told[at - 1] ?? told[at]!))),
      evicted: column(() => 0),
    };
    return {
      ticks: { fromMs: lastMs - (told.length - 1) * stepMs, stepMs, count: told.length },
      pools: [pool],
    };
  };
}

/** A pool of one host; owners are on the first devices of it. */
function rig(waitedShareMax: number | null, ask: Ask = noPast, beganMs = 0) {
  const clock = {
    nowMs: beganMs,
    monotonicMs: () => clock.nowMs,
    wallMs: () => wallFromMs + clock.nowMs,
    turn: () => Promise.resolve(),
  };
  const asked: DemandQuery[] = [];
  const logged: Record<string, unknown>[] = [];
  const fleet = new Fleet();
  const uuids = Array.from({ length: size }, (_, index) => `GPU-${String(index).padStart(2, "0")}`);
  for (const [index, uuid] of uuids.entries())
    fleet.addDevice({ uuid, host: "host-1", pool: "pool-1", model: "H100", index, memoryTotalMib: null });
  const left: [string, number][] = [];
  const policy = { ...pool("pool-1").policy, waitedShareMax };
  const policyOf = (name: string) => ({ ...policy, pool: name });
  const reserves = new PoolReserves({
    fleet,
    signals: { policyOf, standsAgainst: () => null } as unknown as OwnerSignals,
    moves: {
      leave: (pools: ReadonlyMap<string, number>) => void left.push(...pools),
    } as unknown as GuestMoves,
    books: {
      demand: async (query) => {
        asked.push(query);
        const answer = ask(query);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    settings,
    clock: clock as never,
    log: createLogger({
      name: "test",
      level: "info",
      stream: { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
    }),
  });
  const move = async (isBusy: (index: number) => boolean, told: OwnerState = "idle") => {
    clock.nowMs += tickMs;
    for (const [index, uuid] of uuids.entries()) {
      const utilPct = told === "unknown" ? null : isBusy(index) ? 90 : 0;
      const reading = {
        engineActiveRatio: null,
        memoryUsedMib: 0,
        memoryFreeMib: null,
        ownerProcesses: null,
      };
      fleet.devices
        .get(uuid)!
        .tracker.observe(
          { device: uuid, atMs: clock.nowMs, attribution: "owner", utilPct, pod: null, ...reading },
          { nowMs: clock.nowMs, staleMs: settings.telemetry.staleMs, leased: false },
        );
    }
    await reserves.tick();
    await reserves.learn(patient);
  };
  const tick = (busy: number, told?: OwnerState) => move((index) => index < busy, told);
  /** The owner's activity on a device with a guest. */
  const stepOf = (index: number) =>
    [leaseOf("met", [{ device: uuids[index]! }]), { mover: "activity" } as LeaseStep] as const;
  return { clock, fleet, reserves, tick, move, stepOf, left, uuids, policy, asked, logged };
}

describe("a pool's reserve", () => {
  it("limits nothing where the owner sets no number", async () => {
    const { reserves, tick } = rig(null);
    for (let n = 0; n < 5; n++) await tick(3);
    expect(reserves.lentMaxOf("pool-1")).toBeNull();
  });

  it("lends nothing new before the first tick, and most of what idles where owners come and go by ones", async () => {
    const { reserves, tick } = rig(0.25);
    expect(reserves.lentMaxOf("pool-1")).toBe(0);
    for (let n = 0; n < 2_000; n++) await tick(n % 40 < 20 ? 5 : 6);
    expect(reserves.lentMaxOf("pool-1")).toBeGreaterThanOrEqual(size - 9);
    expect(reserves.lentMaxOf("pool-1")).toBeLessThanOrEqual(size - 5);
  });

  it("keeps more free the less often an owner may meet a guest", async () => {
    const levels = [];
    for (const max of [0.5, 0.02]) {
      const { reserves, tick } = rig(max);
      let sum = 0;
      // Every so often the owner takes three more for a while.
      for (let n = 0; n < 2_000; n++) {
        await tick(n % 37 < 9 ? 8 : 5);
        if (n >= 1_000) sum += reserves.lentMaxOf("pool-1")!;
      }
      levels.push(sum);
    }
    expect(levels[1]).toBeLessThan(levels[0]! * 0.9);
  });

  it("lets go what is lent beyond it, once it has learned for a day: a new leader calls nobody back", async () => {
    const { fleet, reserves, tick, left, uuids } = rig(0.05);
    for (const uuid of uuids.slice(5)) fleet.addLease(leaseOf(`on-${uuid}`, [{ device: uuid }]), 0);
    // An owner who takes ten at a time, again and again.
    const takes = (n: number) => (n % 6 < 3 ? 15 : 5);
    const day = 86_400_000 / tickMs;
    for (let n = 0; n < day; n++) await tick(takes(n));
    expect(left).toEqual([]);
    expect(reserves.lentMaxOf("pool-1")).toBeLessThan(10);
    for (let n = 0; n < 12; n++) await tick(takes(n));
    expect(left.length).toBeGreaterThan(0);
    for (const [name, devices] of left) {
      expect(name).toBe("pool-1");
      expect(devices).toBeGreaterThan(0);
    }
  });

  it("keeps more free where owners meet guests though their demand does not rise: they let go of as many as they take", async () => {
    const levels = [];
    for (const finds of [false, true]) {
      const { reserves, move, stepOf } = rig(0.05);
      // The owner works on five devices and moves on by one at every tick.
      for (let n = 0; n < 1_000; n++) {
        if (finds) reserves.stepped(...stepOf((n + 4) % size));
        await move((index) => (index - n + size * n) % size < 5);
      }
      levels.push(reserves.lentMaxOf("pool-1")!);
    }
    expect(levels[0]).toBeGreaterThanOrEqual(size / 2);
    expect(levels[1]).toBeLessThan(size / 4);
  });

  it("goes on where the one before left off: it lends what that one would, but what it owed and spared", async () => {
    const takes = (n: number) => (n % 37 < 9 ? 8 : n % 11);
    const first = rig(0.2);
    const ticks = 3_000;
    for (let n = 0; n < ticks; n++) await first.tick(takes(n));
    // A new number forgives, too.
    first.policy.waitedShareMax = 0.1;
    const beganMs = first.clock.nowMs;
    const past = Array.from({ length: ticks - 1 }, (_, n) => takes(n + 1));
    const next = rig(0.1, pastOf(past, wallFromMs + beganMs), beganMs);
    for (let n = ticks; n < ticks + 200; n++) {
      await first.tick(takes(n));
      await next.tick(takes(n));
      if (n > ticks + 20) expect(next.reserves.lentMaxOf("pool-1")).toBe(first.reserves.lentMaxOf("pool-1"));
    }
  });

  it("calls nobody back where the books told of less than a day, and owes nothing for what they told", async () => {
    const day = 86_400_000 / tickMs;
    const takes = (n: number) => (n % 6 < 3 ? 15 : 5);
    const short = Array.from({ length: day - 100 }, (_, n) => takes(n));
    const unheard = pastOf(short, wallFromMs + 2 * 86_400_000);
    const { fleet, tick, left, uuids } = rig(0.05, unheard, 2 * 86_400_000);
    for (const uuid of uuids.slice(5)) fleet.addLease(leaseOf(`on-${uuid}`, [{ device: uuid }]), 0);
    for (let n = 0; n < 90; n++) await tick(takes(n));
    expect(left).toEqual([]);
    for (let n = 90; n < 130; n++) await tick(takes(n));
    expect(left.length).toBeGreaterThan(0);
  });

  it("calls guests back from the beginning, where the books told of a day", async () => {
    const day = 86_400_000 / tickMs;
    const takes = (n: number) => (n % 6 < 3 ? 15 : 5);
    const past = Array.from({ length: day + 10 }, (_, n) => takes(n));
    const { fleet, tick, left, uuids } = rig(0.05, pastOf(past, wallFromMs + 86_400_000), 86_400_000);
    for (const uuid of uuids.slice(5)) fleet.addLease(leaseOf(`on-${uuid}`, [{ device: uuid }]), 0);
    for (let n = 0; n < 12; n++) await tick(takes(day + 10 + n));
    expect(left.length).toBeGreaterThan(0);
  });

  it("reads the books once for all owners, and teaches each of its own pools alone", async () => {
    const day = 86_400_000;
    const restless = pastOf(
      Array.from({ length: 5_000 }, (_, n) => (n % 10 < 5 ? 15 : 2)),
      wallFromMs + day,
    );
    const quiet = pastOf(
      Array.from({ length: 5_000 }, () => 2),
      wallFromMs + day,
    );
    const alone = rig(0.05, restless, day);
    const both = rig(
      0.05,
      (query) => ({
        ticks: quiet(query).ticks,
        pools: [...restless(query).pools, { ...quiet(query).pools[0]!, pool: "pool-2" }],
      }),
      day,
    );
    for (let index = 0; index < size; index++) {
      const uuid = `GPU-2-${index}`;
      both.uuids.push(uuid);
      both.fleet.addDevice({
        uuid,
        host: "host-2",
        pool: "pool-2",
        model: "H100",
        index,
        memoryTotalMib: null,
      });
    }
    for (let n = 0; n < 3; n++) for (const { tick } of [alone, both]) await tick(2);
    expect(both.asked.map(({ pools }) => pools)).toEqual([["pool-1", "pool-2"]]);
    expect(both.reserves.lentMaxOf("pool-1")).toBe(alone.reserves.lentMaxOf("pool-1"));
    expect(both.reserves.lentMaxOf("pool-1")).toBeLessThan(size / 2);
    expect(both.reserves.lentMaxOf("pool-2")).toBeGreaterThan(size / 2);
  });

  it("asks for two days in its own steps, and once more for what came while it learned", async () => {
    const { tick, asked, logged, clock } = rig(0.1, (query) => {
      clock.nowMs += 5 * tickMs;
      return pastOf([5, 6, 5, 6], wallFromMs + clock.nowMs - (asked.length === 1 ? 5 : 1) * tickMs)(query);
    });
    await tick(5);
    expect(asked[0]).toEqual({
      pools: ["pool-1"],
      fromMs: wallFromMs + tickMs - 2 * 86_400_000,
      stepMs: tickMs,
    });
    expect(asked[1]!.fromMs).toBe(wallFromMs + 2 * tickMs);
    expect(logged).toMatchObject([{ level: "info", pools: 1 }]);
  });

  it("tries books that cannot be read again, lends nothing new meanwhile, and begins anew when they never can", async () => {
    const { reserves, tick, asked, logged } = rig(0.25, () => new Error("their thread died"));
    await tick(5);
    while (logged.length === 0) {
      await tick(5);
      expect(reserves.lentMaxOf("pool-1")).toBe(0);
      expect(asked.length).toBeLessThan(100);
    }
    expect(logged).toMatchObject([
      { level: "warn", pools: ["pool-1"], err: { message: "their thread died" } },
    ]);
    for (let n = 0; n < 500; n++) await tick(n % 40 < 20 ? 5 : 6);
    expect(reserves.lentMaxOf("pool-1")).toBeGreaterThan(0);
  });

  it("follows an owner who sets another number, and keeps what it has learned", async () => {
    const { reserves, tick, policy } = rig(0.5);
    const play = async () => {
      let sum = 0;
      for (let n = 0; n < 1_000; n++) {
        await tick(n % 37 < 9 ? 8 : 5);
        sum += reserves.lentMaxOf("pool-1")!;
      }
      return sum;
    };
    await play();
    const loose = await play();
    policy.waitedShareMax = 0.02;
    expect(await play()).toBeLessThan(loose * 0.9);
    policy.waitedShareMax = null;
    await tick(5);
    expect(reserves.lentMaxOf("pool-1")).toBeNull();
    policy.waitedShareMax = 0.5;
    expect(reserves.lentMaxOf("pool-1")).toBe(0);
  });

  it("I6: says nothing new where most of the pool is not known", async () => {
    const { reserves, tick, left } = rig(0.25);
    for (let n = 0; n < 100; n++) await tick(5);
    const before = reserves.lentMaxOf("pool-1");
    for (let n = 0; n < 10; n++) await tick(5, "unknown");
    expect(reserves.lentMaxOf("pool-1")).toBe(before);
    expect(left).toEqual([]);
  });
});
