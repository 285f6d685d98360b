import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResourceLimits } from "node:worker_threads";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BlockMeter } from "../../bench/harness/block-meter.ts";
import { reportFromProto } from "../../src/api/convert/report.ts";
import type { ReportQuery } from "../../src/api/ports.ts";
import { RemoteBooks } from "../../src/controller/remote-books.ts";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import { GetReportResponse } from "../../src/gen/gleaner/v1/reports.ts";
import { readBooks } from "../../src/report/books.ts";
import type { LiveFacts } from "../../src/report/report.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import { sampleReport } from "../support/api-desks.ts";
import { damageBooks } from "../support/damage.ts";
import { deviceEvent } from "../support/ledger-events.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

const all: ReportQuery = { fromMs: null, toMs: null, pricePerGpuHour: 0, pool: "" };
const quiet: LiveFacts = {
  waiting: 0,
  ownerNumbers: new Map(),
  calibration: { fromMs: 0, total: [], pools: [] },
};
const patient = new AbortController().signal;
/** Asked for once in an hour: what happens in a test happens because it asks. */
const ledger = { drainIntervalMs: 3_600_000, streamEntriesMax: 1_000_000, aliveIntervalMs: 3_600_000 };

const owner = (atMs: number, device: string, state: "busy" | "idle", reason = "seen"): LedgerEvent => ({
  type: "owner",
  atMs,
  device,
  state,
  reason,
});
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

describe("books kept on a thread of their own", () => {
  let server: TestRedis;
  let redis: Redis;
  let zone: string;
  let stream: LedgerStream;
  let dir: string;
  let path: string;
  let opened: RemoteBooks[];
  let logged: Record<string, unknown>[];
  beforeAll(async () => {
    server = await startTestRedis();
    redis = await connectRedis(server.url, { name: "test" });
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });
  beforeEach(() => {
    zone = freshZone();
    stream = new LedgerStream(redis, zone, ledger);
    dir = mkdtempSync(join(tmpdir(), "gleaner-books-"));
    path = join(dir, "ledger.sqlite");
    opened = [];
    logged = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map(async (books) => books.close()));
    rmSync(dir, { recursive: true });
  });

  async function open(limits?: ResourceLimits): Promise<RemoteBooks> {
    const log = createLogger({
      name: "controller",
      level: "info",
      stream: { write: (line) => logged.push(JSON.parse(line) as Record<string, unknown>) },
    });
    const options = {
      path,
      redisUrl: server.url,
      zone,
      ledger,
      reader: "a",
      clock: systemClock,
      log,
    };
    const books = new RemoteBooks(limits === undefined ? options : { ...options, limits });
    opened.push(books);
    await books.catchUp();
    return books;
  }

  async function reportOf(books: RemoteBooks, query = all, live = quiet) {
    return reportFromProto(GetReportResponse.decode(await books.report(query, live, patient)));
  }

  it("say what the same file says where the caller runs, and besides what only a leader knows", async () => {
    await stream.append([deviceEvent("gpu-0", 0), deviceEvent("gpu-2", 0), owner(1, "gpu-0", "idle")]);
    const books = await open();
    expect(await books.catchUp()).toBe(1);
    await stream.append([
      lent,
      { type: "guest", atMs: 9, guestId: "g0", tenant: "", state: "failed", reason: "" },
    ]);
    const { calibration } = sampleReport;
    const numbers = { meetingsPerGpuDayMax: 6, waitedShareMax: 0.05 };
    const report = await reportOf(books, all, {
      waiting: 7,
      ownerNumbers: new Map([["a", numbers]]),
      calibration: calibration!,
    });
    const file = readBooks(path);
    const expected = file.report(all);
    file.close();
    expect(report).toEqual({
      ...expected,
      pools: expected.pools.map((pool) => (pool.name === "a" ? { ...pool, ...numbers } : pool)),
      guestsByState: { ...expected.guestsByState, waiting: 7 },
      calibration,
    });
    expect(report.pools.find(({ name }) => name === "a")).toMatchObject(numbers);
    expect(report).toMatchObject({ toMs: 9, balanced: true, total: { leases: 1 } });
    expect(books.endedGuests()).toEqual({ failed: 1 });
    expect(await books.decisions({ device: "", guestId: "", pageSize: 10 }, patient)).toEqual([]);
    expect(await stream.length()).toBe(0);
  });

  it("tell pools' past as the same file does, and give no more than is waited for", async () => {
    await stream.append([
      deviceEvent("gpu-0", 0),
      owner(1, "gpu-0", "idle"),
      owner(25, "gpu-0", "busy"),
      owner(35, "gpu-0", "idle"),
    ]);
    const books = await open();
    await stream.append([{ type: "alive", atMs: 50 }]);
    const query = { pools: ["a"], fromMs: 0, stepMs: 10 };
    const past = await books.demand(query, patient);
    const file = readBooks(path);
    expect(past).toEqual(file.demand(query));
    file.close();
    expect([...past.pools[0]!.busy]).toEqual([0, 0, 0, 1, 0]);
    expect(await books.demand(query, patient)).toEqual(past);
    await expect(books.demand(query, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  });

  it("tell what is wrong with the code and the words that a person gets", async () => {
    const books = await open();
    await expect(reportOf(books, { ...all, pool: "none" })).rejects.toMatchObject({
      name: "GleanerError",
      code: "POOL_NOT_FOUND",
      message: expect.stringContaining("none"),
    });
    mkdirSync(join(dir, "folder.sqlite"));
    path = join(dir, "folder.sqlite");
    await expect(open()).rejects.toMatchObject({ code: "BOOKS_UNREADABLE", details: { path } });
  });

  it("take what came last when they are closed, and go on there", async () => {
    const books = await open();
    await stream.append([deviceEvent("gpu-0", 0), { type: "alive", atMs: 70 }]);
    await books.close();
    expect(await stream.length()).toBe(0);
    expect(await (await open()).catchUp()).toBe(70);
  });

  it("log through the controller's own log", async () => {
    await redis.xadd(zoneKeys(zone).ledger, "*", "e", "no event");
    await reportOf(await open());
    expect(logged).toMatchObject([{ level: "error", name: "controller", entry: "no event" }]);
  });

  it("I0: keep the caller's thread neither while they take a backlog nor while they make a report", async () => {
    const devices = Array.from({ length: 3_000 }, (_, i) => `GPU-${i}`);
    await stream.append(devices.map((uuid) => deviceEvent(uuid, 0)));
    for (let turn = 1; turn <= 4; turn += 1)
      await stream.append(devices.map((uuid) => owner(turn * 1_000, uuid, turn % 2 === 0 ? "busy" : "idle")));
    const meter = new BlockMeter(1);
    const books = await open();
    const bytes = await books.report(all, quiet, patient);
    const { blockCpuMs } = meter.stop();

    const file = readBooks(path);
    const before = process.threadCpuUsage();
    const expected = file.report(all);
    const { user, system } = process.threadCpuUsage(before);
    file.close();
    expect(GetReportResponse.decode(bytes).devices).toHaveLength(expected.devices.length);
    expect(blockCpuMs).toBeLessThan((user + system) / 1_000 / 2);
  });

  it("I11: let only so many reports wait for another, and refuse the next", async () => {
    await stream.append([deviceEvent("gpu-0", 0)]);
    const books = await open();
    const asked = await Promise.allSettled(Array.from({ length: 20 }, async () => reportOf(books)));
    const refused = asked.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(3);
    for (const each of refused) expect(each).toMatchObject({ reason: { code: "REPORTS_BUSY" } });
    expect((await reportOf(books)).devices).toHaveLength(1);
  });

  it("let a caller go that waits no longer, at once, and serve the others", async () => {
    await stream.append([deviceEvent("gpu-0", 0)]);
    const books = await open();
    const impatient = new AbortController();
    const gone = [1, 2].map(async () => books.report(all, quiet, impatient.signal));
    const served = reportOf(books);
    impatient.abort();
    for (const each of gone) await expect(each).rejects.toMatchObject({ name: "AbortError" });
    expect((await served).devices).toHaveLength(1);
  });

  it("are set aside when they are damaged under way, begin anew from the stream, and name the gap", async () => {
    const books = await open();
    await stream.append(Array.from({ length: 500 }, (_, i) => deviceEvent(`gpu-${i}`, 0)));
    await reportOf(books);
    damageBooks(path);
    await stream.append([deviceEvent("gpu-0", 5), { type: "alive", atMs: 9 }]);

    await expect(reportOf(books)).rejects.toMatchObject({ code: "BOOKS_UNAVAILABLE" });
    expect(await stream.wishes()).toHaveLength(1);
    expect(await reportOf(books)).toMatchObject({
      toMs: 9,
      devices: [{ device: "gpu-0" }],
      gaps: [expect.stringContaining(".damaged-1")],
    });
    expect(await stream.length()).toBe(0);
    expect(readdirSync(dir)).toContain("ledger.sqlite.damaged-1");
  });

  it("I11: are kept by another thread when theirs dies: nothing is lost or counted twice, and until then they say so", async () => {
    await stream.append([deviceEvent("gpu-0", 0), lent]);
    const books = await open({ maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 });
    expect(books.problem).toBe(null);
    // More than its memory holds.
    await stream.append([{ type: "alive", atMs: 10 }]);
    const huge = Array.from({ length: 100 }, () => owner(11, "gpu-0", "idle", "x".repeat(40_000)));
    for (let i = 0; i < 10; i += 1) await stream.append(huge);
    await expect(reportOf(books)).rejects.toMatchObject({ code: "BOOKS_UNAVAILABLE" });
    expect(books.problem).toContain("died");
    await expect(reportOf(books)).rejects.toMatchObject({ code: "BOOKS_UNAVAILABLE" });
    expect(await stream.length()).toBe(1_001);

    const entries = await redis.xrange(zoneKeys(zone).ledger, "-", "+");
    await redis.xdel(zoneKeys(zone).ledger, ...entries.slice(1).map(([id]) => id));
    await stream.append([{ type: "alive", atMs: 20 }]);
    await expect.poll(() => books.problem, { timeout: 20_000 }).toBe(null);
    expect(await reportOf(books)).toMatchObject({ toMs: 20, balanced: true, total: { leases: 1 } });
    expect(logged.filter(({ level }) => level === "error").length).toBeGreaterThan(0);
  });
});
