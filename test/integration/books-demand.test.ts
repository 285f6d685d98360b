import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Account, type Posting } from "../../src/core/account.ts";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import { DemandSampler, type DemandPast } from "../../src/core/reserve/demand-past.ts";
import { openBooks, type Books } from "../../src/report/books.ts";
import {
  anyLedger,
  deviceEvent,
  entriesOf,
  lentEvent as lent,
  ownerEvent as owner,
} from "../support/ledger-events.ts";

const stepMs = 15_000;
let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gleaner-books-"));
  path = join(dir, "ledger.sqlite");
});
afterEach(() => rmSync(dir, { recursive: true }));

function bookAll(events: readonly LedgerEvent[]): Books {
  const books = openBooks(path);
  books.apply(entriesOf(events));
  return books;
}

const met = (atMs: number, device: string): LedgerEvent => ({
  type: "meeting",
  id: `${device} ${atMs}`,
  atMs,
  device,
  leaseId: "g1:1",
  signal: "activity",
  recallId: "",
});

function poolOf(past: DemandPast, name: string): Record<string, readonly number[]> | null {
  const found = past.pools.find(({ pool }) => pool === name);
  if (found === undefined) return null;
  const { pool: _, ...columns } = found;
  return Object.fromEntries(Object.entries(columns).map(([column, counts]) => [column, [...counts]]));
}

interface Summed {
  readonly total: readonly number[];
  readonly known: readonly number[];
  /** By owners or guests. */
  readonly used: readonly number[];
}

function summed(pool: Record<string, readonly number[]> | null, count: number): Summed {
  const zeros = Array.from({ length: count }, () => 0);
  const { total = zeros, known = zeros, busy = zeros, lent = zeros } = pool ?? {};
  return { total, known, used: busy.map((devices, tick) => devices + lent[tick]!) };
}

describe("what the books tell of pools' demand", () => {
  it("is by ticks, of each pool that is asked for, with what owners took and whom they met", () => {
    const books = bookAll([
      deviceEvent("gpu-0", 0),
      deviceEvent("gpu-1", 0),
      deviceEvent("gpu-2", 0),
      owner(0, "idle", "gpu-0"),
      owner(0, "idle", "gpu-1"),
      owner(0, "idle", "gpu-2"),
      lent(20_000, "g1:1", "gpu-1"),
      owner(40_000, "busy", "gpu-0"),
      met(50_000, "gpu-1"),
      owner(50_000, "busy", "gpu-1"),
      owner(70_000, "idle", "gpu-0"),
      { type: "alive", atMs: 91_000 },
    ]);
    const past = books.demand({ pools: ["a"], fromMs: 0, stepMs });
    expect(past.ticks).toEqual({ fromMs: 0, stepMs, count: 7 });
    expect(past.pools.map((each) => each.pool)).toEqual(["a"]);
    expect(poolOf(past, "a")).toEqual({
      total: [2, 2, 2, 2, 2, 2, 2],
      known: [2, 2, 2, 2, 2, 2, 2],
      // The guest had to go at 50 s, and has not yet.
      busy: [0, 0, 0, 1, 2, 1, 1],
      lent: [0, 0, 1, 1, 0, 0, 0],
      taken: [0, 0, 0, 1, 1, 0, 0],
      evicted: [0, 0, 0, 0, 1, 0, 0],
    });
    // The rest of it, where it was read before: a return falls into one of both.
    expect(poolOf(books.demand({ pools: ["a"], fromMs: 45_000, stepMs }), "a")).toMatchObject({
      busy: [1, 2, 1, 1],
      taken: [1, 1, 0, 0],
      evicted: [0, 1, 0, 0],
    });
    expect(books.demand({ pools: ["a"], fromMs: 105_000, stepMs }).ticks.count).toBe(0);
    expect(books.demand({ pools: ["nobody's"], fromMs: 0, stepMs }).pools).toEqual([]);
    books.close();
  });

  it("begins where the books do, and where they are kept to the ms", () => {
    const hourMs = 3_600_000;
    const beganMs = 100 * hourMs;
    const books = bookAll([
      { ...deviceEvent("gpu-0", beganMs) },
      owner(beganMs, "idle"),
      { type: "alive", atMs: beganMs + 61_000 },
    ]);
    expect(books.demand({ pools: ["a"], fromMs: 0, stepMs }).ticks).toEqual({
      fromMs: beganMs,
      stepMs,
      count: 5,
    });
    books.apply([{ id: "9-0", event: { type: "alive", atMs: 150 * hourMs } }]);
    const { ticks, pools } = books.demand({ pools: ["a"], fromMs: 0, stepMs });
    expect(ticks).toMatchObject({ fromMs: 102 * hourMs, count: (48 * hourMs) / stepMs });
    expect(Math.min(...pools[0]!.known)).toBe(1);
    // No more than so many ticks of all pools, the newest.
    const many = Array.from({ length: 500 }, (_, pool) => `p${pool}`);
    const newest = books.demand({ pools: ["a", ...many], fromMs: 0, stepMs }).ticks;
    expect(newest.count).toBe(998);
    expect(newest.fromMs + newest.count * stepMs).toBe(150 * hourMs);
    books.close();
  });

  it("is what the account of device time holds, as far back as it is kept to the ms", () => {
    fc.assert(
      fc.property(anyLedger, fc.integer({ min: 0, max: 10_000_000 }), (events, fromMs) => {
        rmSync(path, { force: true });
        const books = bookAll(events);
        const seenMs = books.seenToMs()!;
        const pools = ["a", "b"];
        const past = books.demand({ pools, fromMs, stepMs });
        books.close();
        const account = new Account();
        const postings: Posting[] = events.flatMap((event) => [...account.apply(event).postings]);
        postings.push(...account.open(seenMs));
        const { ticks } = past;
        expect((ticks.fromMs - fromMs) % stepMs).toBe(0);
        if (seenMs > fromMs) expect(seenMs - ticks.fromMs - ticks.count * stepMs).toBeLessThanOrEqual(0);
        const sampler = new DemandSampler(ticks);
        for (const device of account.devices.keys()) {
          const described = deviceEvent(device, 0);
          if (described.type === "device")
            sampler.addDevice(
              described.device.pool,
              postings.filter((posting) => posting.device === device),
              [],
            );
        }
        for (const pool of pools) {
          // Whose a device is that is handed back hangs on who was met.
          const expected = summed(poolOf(sampler.past(), pool), ticks.count);
          expect(summed(poolOf(past, pool), ticks.count)).toEqual(expected);
        }
      }),
    );
  });
});
