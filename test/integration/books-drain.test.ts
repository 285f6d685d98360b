import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LedgerEvent, StandingEvent, WrittenEvent } from "../../src/core/ledger-event.ts";
import { openBooks, type Books } from "../../src/report/books.ts";
import { startDrain, type Drain } from "../../src/report/drain.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import { deviceEvent } from "../support/ledger-events.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

const all = { fromMs: null, toMs: null, pricePerGpuHour: 0, pool: "" };
const log = createLogger({ name: "test", level: "silent" });
const alive = (atMs: number): LedgerEvent => ({ type: "alive", atMs });
const owner = (atMs: number, state: "busy" | "idle"): LedgerEvent => ({
  type: "owner",
  atMs,
  device: "gpu-0",
  state,
  reason: "seen",
});

describe("the drain", () => {
  let server: TestRedis;
  let redis: Redis;
  let stream: LedgerStream;
  let zone: string;
  let dir: string;
  let path: string;
  let books: Books;
  beforeAll(async () => {
    server = await startTestRedis();
    redis = await connectRedis(server.url, { name: "test" });
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "gleaner-drain-"));
    path = join(dir, "ledger.sqlite");
    books = openBooks(path);
    zone = freshZone();
    stream = new LedgerStream(redis, zone, { streamEntriesMax: 100_000 });
  });
  afterEach(() => {
    books.close();
    rmSync(dir, { recursive: true });
  });
  /** Asked for once in an hour: what happens in a test happens by flush. */
  const start = (source: Parameters<typeof startDrain>[0]["stream"] = stream): Drain =>
    startDrain({ stream: source, reader: "a", books, intervalMs: 3_600_000, clock: systemClock, log });

  it("has everything in the books that was written before a flush, in its order, and empties the stream", async () => {
    await using drain = start();
    await stream.append([deviceEvent("gpu-0", 0)]);
    for (let i = 0; i < 2_500; i += 500)
      await stream.append(Array.from({ length: 500 }, (_, j) => owner(i + j, j % 2 === 0 ? "busy" : "idle")));
    await stream.append([alive(10_000)]);
    await drain.flush();
    expect(books.report(all)).toMatchObject({ toMs: 10_000, balanced: true });
    expect(await stream.length()).toBe(0);
  });

  it("serves flushes that come while it moves", async () => {
    await using drain = start();
    const flushes: Promise<void>[] = [];
    for (let i = 1; i <= 20; i += 1) {
      await stream.append([alive(i)]);
      flushes.push(drain.flush().then(() => expect(books.report(all).toMs).toBeGreaterThanOrEqual(i)));
    }
    await Promise.all(flushes);
  });

  it("follows by itself at its interval", async () => {
    const { promise: trimmed, resolve } = Promise.withResolvers<void>();
    const watched = {
      readAfter: (id: string, count: number) => stream.readAfter(id, count),
      booked: async (reader: string, id: string, wish: string) => {
        const forgottenTo = await stream.booked(reader, id, wish);
        if (forgottenTo !== "0-0") resolve();
        return forgottenTo;
      },
    };
    await stream.append([alive(7)]);
    await using _ = startDrain({
      stream: watched,
      reader: "a",
      books,
      intervalMs: 5,
      clock: systemClock,
      log,
    });
    await trimmed;
    expect(books.report(all).toMs).toBe(7);
  });

  it("counts nothing twice when it died between the books and the trim", async () => {
    const dies = {
      readAfter: (id: string, count: number) => stream.readAfter(id, count),
      booked: async (reader: string, id: string, wish: string) => {
        if (id !== "0-0") throw new Error("killed");
        return stream.booked(reader, id, wish);
      },
    };
    const lent: LedgerEvent = {
      type: "lent",
      atMs: 5,
      leaseId: "g1:1",
      guestId: "g1",
      tenant: "red",
      attempt: 1,
      grants: [{ device: "gpu-0", sharePermille: 1_000, memoryMib: 1 }],
      reason: "",
      forecastHash: "",
    };
    await stream.append([deviceEvent("gpu-0", 0), lent, alive(9)]);
    const dying = start(dies);
    await expect(dying.flush()).rejects.toThrow("killed");
    await expect(dying.close()).rejects.toThrow("killed");
    books.close();
    books = openBooks(path);
    expect(await stream.length()).toBe(3);
    await stream.append([alive(10)]);
    await using drain = start();
    await drain.flush();
    expect(books.report(all)).toMatchObject({ toMs: 10, total: { leases: 1 } });
    expect(await stream.length()).toBe(0);
  });

  it("sets books aside that missed entries, begins anew where the stream is, and is told what stood", async () => {
    await stream.append([deviceEvent("gpu-0", 0), alive(1)]);
    await using drain = start();
    await drain.flush();
    // Another's books went on for as long as the stream waited for these, and longer.
    await stream.append([owner(2, "idle"), alive(3)]);
    const [, second] = await stream.readAfter("0", 2);
    await stream.booked("b", second!.id, "");
    await redis.hdel(zoneKeys(zone).books, "a");
    await stream.booked("b", second!.id, "");
    expect(await stream.length()).toBe(0);

    await drain.flush();
    const [wish] = await stream.wishes();
    const standing = (event: StandingEvent["event"]): WrittenEvent => ({
      type: "standing",
      atMs: 5,
      wishes: [wish!],
      event,
    });
    const told = [deviceEvent("gpu-0", 5) as NonNullable<StandingEvent["event"]>, null].map(standing);
    await stream.append([...told, alive(9)]);
    await drain.flush();
    expect(await stream.wishes()).toEqual([]);
    expect(books.report(all)).toMatchObject({
      fromMs: 5,
      toMs: 9,
      balanced: true,
      gaps: [expect.stringContaining("went on for too long without")],
    });
  });

  it("keeps in the stream what the books cannot take, and takes it later", async () => {
    await stream.append([deviceEvent("gpu-0", 0), alive(9)]);
    let full = true;
    const drain = startDrain({
      stream,
      reader: "a",
      books: {
        lastId: () => books.lastId(),
        wish: () => books.wish(),
        missed: (forgottenTo) => books.missed(forgottenTo),
        apply: (entries) => {
          if (full) throw new Error("disk full");
          books.apply(entries);
        },
      },
      intervalMs: 3_600_000,
      clock: systemClock,
      log,
    });
    await expect(drain.flush()).rejects.toThrow("disk full");
    expect(await stream.length()).toBe(2);
    full = false;
    await drain.close();
    expect(books.report(all)).toMatchObject({ toMs: 9, devices: [{ device: "gpu-0" }] });
    expect(await stream.length()).toBe(0);
  });
});
