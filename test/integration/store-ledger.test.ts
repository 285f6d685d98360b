import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import { settlement, TestBooks } from "../support/lease-books.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const alive = (atMs: number): LedgerEvent => ({ type: "alive", atMs });

describe("LedgerStream", () => {
  it("gives back every kind of event as it was appended, in order", async () => {
    await using books = await TestBooks.open(redis.url);
    const device = { uuid: "gpu-0", host: "n", pool: "p", model: "", index: 0, memoryTotalMib: null };
    const lease = { leaseId: "g:1", guestId: "g", tenant: "t", recallId: "r", device: "gpu-0" };
    const events: LedgerEvent[] = [
      { type: "device", atMs: 1, device, owner: "o" },
      { type: "owner", atMs: 2, device: "gpu-0", state: "unknown", reason: "stale" },
      { type: "unlent", atMs: 3, device: "gpu-0", reason: "held" },
      { type: "meeting", id: "m1", atMs: 4, device: "gpu-0", leaseId: "g:1", signal: "busy", recallId: "" },
      {
        type: "recalled",
        atMs: 5,
        recallId: lease.recallId,
        device: lease.device,
        leaseId: "",
        stage: "released",
        elapsedMs: 12.5,
        deadlineMs: 30_000,
        reason: "Schöne Grüße “/”",
      },
      { type: "quarantine", atMs: 6, device: "gpu-0", reason: null },
      { type: "guest", atMs: 7, guestId: "g", tenant: "t", state: "waiting", reason: "" },
      { type: "outage", atMs: 9, sinceMs: 8 },
      alive(1_799_999_999_999),
    ];
    await books.ledger.append(events);
    await books.ledger.append([]);
    expect(await books.events()).toEqual(events);
  });

  it("the scripts write numbers as exactly as they came", async () => {
    await using books = await TestBooks.open(redis.url);
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          atMs: fc.integer({ min: 1, max: 4_102_444_800_000 }),
          memoryMib: fc.integer({ min: 0, max: 10_000_000 }),
          guestId: fc.uuid(),
          workedMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
        }),
        async ({ atMs, memoryMib, guestId, workedMs }) => {
          const lease = await books.lent(
            { guestId, grants: [{ device: guestId, sharePermille: 3, memoryMib }] },
            atMs,
          );
          const end = settlement("evicted", { workedMs });
          await books.step(lease, { step: 1, state: "released", atMs, settlement: end });
          const events = await books.events();
          expect(events.find((event) => event.type === "lent" && event.guestId === guestId)).toMatchObject({
            atMs,
            grants: [{ memoryMib }],
          });
          expect(events.find((event) => event.type === "step" && event.leaseId === lease.id)).toMatchObject({
            atMs,
            settlement: end,
          });
          const record = (await books.store.guestRecords([guestId])).get(guestId);
          expect(record?.stateSinceMs).toBe(atMs);
          expect(record?.workedMs).toBeCloseTo(workedMs, 3);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("reads on after an entry and forgets up to it", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.ledger.append([1, 2, 3, 4].map(alive));
    const [first, second] = await books.ledger.readAfter("0", 2);
    expect([first?.event, second?.event]).toEqual([alive(1), alive(2)]);
    expect((await books.ledger.readAfter(second?.id ?? "", 10)).map(({ event }) => event)).toEqual([
      alive(3),
      alive(4),
    ]);
    await books.ledger.booked("a", second?.id ?? "", "");
    expect(await books.ledger.length()).toBe(2);
    expect(await books.events()).toEqual([alive(3), alive(4)]);
    expect(await books.ledger.readAfter((await books.ledger.readAfter("0", 9)).at(-1)?.id ?? "", 10)).toEqual(
      [],
    );
  });

  it("forgets what the books of all its readers hold, and lets those that begin do so there", async () => {
    await using books = await TestBooks.open(redis.url);
    const { ledger } = books;
    await ledger.append([1, 2, 3].map(alive));
    const ids = (await ledger.readAfter("0", 9)).map(({ id }) => id);
    expect(await ledger.booked("a", ids[0]!, "")).toBe(ids[0]);
    expect(await ledger.booked("b", "0-0", "wish-b")).toBe(ids[0]);
    expect(await ledger.booked("a", ids[2]!, "")).toBe(ids[0]);
    expect(await books.events()).toEqual([2, 3].map(alive));
    expect(await ledger.wishes()).toEqual(["wish-b"]);
    expect(await ledger.booked("b", ids[1]!, "")).toBe(ids[1]);
    expect(await ledger.wishes()).toEqual([]);
    expect(await books.events()).toEqual([alive(3)]);
    // Restored from a backup: it has missed entries, and nothing is kept for it.
    expect(await ledger.booked("b", ids[0]!, "")).toBe(ids[1]);
    expect(await ledger.booked("a", ids[2]!, "")).toBe(ids[2]);
    expect(await ledger.length()).toBe(0);
  });

  it("I11: waits for books that are behind until it is half full", async () => {
    await using books = await TestBooks.open(redis.url, { streamEntriesMax: 6 });
    const { ledger } = books;
    await ledger.append([1, 2, 3, 4].map(alive));
    const ids = (await ledger.readAfter("0", 9)).map(({ id }) => id);
    await ledger.booked("away", ids[0]!, "");
    // It holds three entries: as many as are kept for it.
    await ledger.booked("a", ids[3]!, "");
    expect(await ledger.length()).toBe(3);
    await ledger.append([alive(5)]);
    await ledger.booked("a", ids[3]!, "");
    expect(await books.events()).toEqual([alive(5)]);
    expect(await ledger.booked("away", ids[0]!, "")).toBe(ids[3]);
  });

  it("I11: is full at its bound, refuses the whole batch, and goes on once it was read", async () => {
    await using books = await TestBooks.open(redis.url, { streamEntriesMax: 3 });
    await books.ledger.append([1, 2].map(alive));
    expect(await books.ledger.isFull()).toBe(false);
    await books.ledger.append([3, 4].map(alive));
    expect(await books.ledger.isFull()).toBe(true);
    await expect(books.ledger.append([alive(5)])).rejects.toMatchObject({
      code: "LEDGER_FULL",
      details: { count: 4, countMax: 3 },
    });
    expect(await books.events()).toEqual([1, 2, 3, 4].map(alive));
    await books.ledger.booked("a", (await books.ledger.readAfter("0", 2)).at(-1)?.id ?? "", "");
    await books.ledger.append([alive(5)]);
    expect(await books.events()).toEqual([3, 4, 5].map(alive));
  });

  it("reads a broken entry as a gap, says so, and goes on", async () => {
    await using books = await TestBooks.open(redis.url);
    const key = `gleaner:{${books.zone}}:ledger`;
    await books.redis.xadd(key, "1000-1", "e", "{broken");
    await books.redis.xadd(key, "2000-1", "e", JSON.stringify({ type: "alive", atMs: "noon" }));
    await books.redis.xadd(key, "3000-1", "other", JSON.stringify(alive(3)));
    await books.ledger.append([alive(4)]);
    const lines: string[] = [];
    const logger = createLogger({
      name: "t",
      level: "warn",
      stream: { write: (line) => void lines.push(line) },
    });
    const ledger = new LedgerStream(books.redis, books.zone, { streamEntriesMax: 10 }, logger);
    const gap = (atMs: number) => ({ type: "outage", atMs, sinceMs: atMs });
    const events = (await ledger.readAfter("0", 10)).map(({ event }) => event);
    expect(events).toEqual([gap(1_000), gap(2_000), gap(3_000), alive(4)]);
    expect(lines).toHaveLength(3);
  });
});
