import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Account } from "../../src/core/account.ts";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import type { LeaseState, Mover } from "../../src/core/lease.ts";
import { openBooks, readBooks } from "../../src/report/books.ts";
import type { Report } from "../../src/report/report.ts";
import { kept } from "../../src/report/schema.ts";
import {
  anyLedger,
  deviceEvent,
  entriesOf as entries,
  lentEvent as lent,
  ownerEvent as owner,
  settlementOf,
} from "../support/ledger-events.ts";

const hourMs = 3_600_000;
const all = { fromMs: null, toMs: null, pricePerGpuHour: 0, pool: "" };
let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gleaner-books-"));
  path = join(dir, "ledger.sqlite");
});
afterEach(() => rmSync(dir, { recursive: true }));

function bookAll(...events: LedgerEvent[]) {
  const books = openBooks(path);
  books.apply(entries(events));
  return books;
}

function amountsOf(report: Report, device = "gpu-0"): Record<string, number> {
  const found = report.devices.find((each) => each.device === device);
  return Object.fromEntries(
    (found?.amounts ?? []).map(({ category, reason, deviceUs }) => [
      reason === "" ? category : `${category}/${reason}`,
      deviceUs,
    ]),
  );
}

interface StepMore {
  readonly mover?: Mover;
  readonly signalToStepMs?: number;
  readonly recallId?: string;
  readonly lostMs?: number;
  readonly workedMs?: number;
  readonly leaseId?: string;
}
const step = (atMs: number, state: LeaseState, more: StepMore = {}): LedgerEvent => ({
  type: "step",
  atMs,
  leaseId: more.leaseId ?? "g1:1",
  state,
  mover: more.mover ?? "controller",
  detail: "",
  signalToStepMs: more.signalToStepMs ?? null,
  recallId: more.recallId ?? "",
  settlement: state === "released" ? settlementOf(more.workedMs ?? more.lostMs ?? 0, more.lostMs ?? 0) : null,
});
const guest = (atMs: number, guestId: string, state: "waiting" | "succeeded"): LedgerEvent => ({
  type: "guest",
  atMs,
  guestId,
  tenant: "red",
  state,
  reason: "",
});
const alive = (atMs: number): LedgerEvent => ({ type: "alive", atMs });

describe("the books", () => {
  it("I8: any ledger, in any batches, over any restart: the categories sum to the elapsed time exactly", () => {
    fc.assert(
      fc.property(anyLedger, fc.array(fc.nat(40), { maxLength: 4 }), (events, cuts) => {
        rmSync(path, { force: true });
        const account = new Account();
        const expected = new Map<string, number>();
        for (const event of events) account.apply(event);
        let from = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), events.length]) {
          const books = openBooks(path);
          books.apply(entries(events).slice(from, Math.max(from, cut)));
          from = Math.max(from, cut);
          books.close();
        }
        const books = readBooks(path);
        const report = books.report(all);
        books.close();
        expect(report.balanced).toBe(true);
        const seenMs = Math.max(...events.map(({ atMs }) => atMs));
        for (const { uuid, beganMs } of account.devices.values())
          expected.set(uuid, (seenMs - beganMs) * 1_000);
        for (const { device, elapsedUs, amounts } of report.devices) {
          expect(elapsedUs).toBe(expected.get(device));
          expect(amounts.reduce((sum, { deviceUs }) => sum + deviceUs, 0)).toBe(elapsedUs);
          expect(amounts.every(({ deviceUs }) => deviceUs > 0)).toBe(true);
        }
        expect(report.devices).toHaveLength(expected.size);
      }),
      { numRuns: 40 },
    );
  });

  it("I8: a range and its rest sum to the whole, category by category", () => {
    fc.assert(
      fc.property(anyLedger, fc.nat(100_000_000), (events, cutMs) => {
        rmSync(path, { force: true });
        const books = bookAll(...events.map((event) => event));
        const [whole, before, after] = [all, { ...all, toMs: cutMs }, { ...all, fromMs: cutMs }].map(
          (query) => books.report(query),
        );
        books.close();
        expect(before!.balanced && after!.balanced).toBe(true);
        if (whole!.toMs - whole!.fromMs > 40 * hourMs) return; // beyond it ranges are widened to whole hours
        for (const device of ["gpu-0", "gpu-1"]) {
          const sum: Record<string, number> = {};
          for (const part of [before!, after!])
            for (const [key, us] of Object.entries(amountsOf(part, device))) sum[key] = (sum[key] ?? 0) + us;
          expect(sum).toEqual(amountsOf(whole!, device));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("applies each entry once, however often it comes", () => {
    const events = [deviceEvent("gpu-0", 0), lent(0), step(0, "running"), alive(10)];
    const books = bookAll(...events);
    books.apply(entries(events));
    books.close();
    const again = openBooks(path);
    again.apply(entries(events));
    expect(again.lastId()).toBe("4-0");
    expect(again.report(all).total.leases).toBe(1);
    again.apply([{ id: "10-0", event: alive(20) }]);
    again.apply([{ id: "9-0", event: alive(1_000) }]);
    expect(again.report(all).toMs).toBe(20);
    again.close();
  });

  it("takes a batch whole or not at all", () => {
    const books = bookAll(deviceEvent("gpu-0", 0), owner(0, "idle"), alive(100));
    const broken = { type: "lent", atMs: 200, leaseId: "x:1", guestId: "x", tenant: null, grants: [] };
    const bad = { ...broken, grants: [{ device: "gpu-0", sharePermille: 1_000, memoryMib: 1 }] };
    const batch = entries([owner(150, "busy"), bad as unknown as LedgerEvent], 4);
    expect(() => books.apply(batch)).toThrow();
    expect(books.lastId()).toBe("3-0");
    books.apply(entries([alive(300)], 4));
    expect(amountsOf(books.report(all))).toEqual({ "idle_unlent/undecided": 300_000 });
    books.close();
  });

  it("counts what came after the last checkpoint as lost, newest first", () => {
    const books = bookAll(
      deviceEvent("gpu-0", 0),
      owner(0, "idle"),
      lent(0),
      step(0, "running"),
      step(60, "paused"),
      step(80, "running"),
      step(100, "released", { lostMs: 30, workedMs: 80 }),
    );
    expect(amountsOf(books.report(all))).toEqual({ useful: 50_000, paused: 20_000, lost: 30_000 });
    expect(amountsOf(books.report({ ...all, fromMs: 80 }))).toEqual({ lost: 20_000 });
    expect(amountsOf(books.report({ ...all, fromMs: 40, toMs: 60 }))).toEqual({
      useful: 10_000,
      lost: 10_000,
    });
    books.close();
  });

  it("keeps the ms for 48 hours and whole hours before, and says when that widened a range", () => {
    const fromMs = 10 * hourMs + 1_234;
    const books = bookAll(
      deviceEvent("gpu-0", fromMs),
      owner(fromMs, "idle"),
      lent(10 * hourMs + 1_234, "g0:1"),
      step(10 * hourMs + 1_234, "released", { leaseId: "g0:1" }),
      lent(11 * hourMs + 500),
      step(11 * hourMs + 500, "running"),
      step(12 * hourMs + 500, "released", { lostMs: 600, workedMs: hourMs }),
      alive(12 * hourMs + 600),
    );
    const before = amountsOf(books.report(all));
    books.apply(entries([owner(80 * hourMs, "busy"), alive(80 * hourMs + 7)], 9));
    const late = books.report(all);
    const { "idle_unlent/undecided": idleUs, owner_busy: busyUs, ...rest } = amountsOf(late);
    expect(late.balanced).toBe(true);
    expect(late.total.leases).toBe(2);
    expect(rest).toEqual({ useful: before["useful"], lost: before["lost"] });
    expect(busyUs).toBe(7_000);
    expect(idleUs! + busyUs! + before["useful"]! + before["lost"]!).toBe((80 * hourMs + 7 - fromMs) * 1_000);
    expect(late.gaps).toEqual([]);

    const narrow = books.report({ ...all, fromMs: 11 * hourMs + 600, toMs: 11 * hourMs + 700 });
    expect(narrow.balanced).toBe(true);
    expect([narrow.fromMs, narrow.toMs]).toEqual([11 * hourMs, 12 * hourMs]);
    expect(amountsOf(narrow)).toEqual({
      "idle_unlent/undecided": 500_000,
      useful: (hourMs - 500 - 100) * 1_000,
      lost: 100_000,
    });
    expect(narrow.gaps).toEqual([expect.stringContaining("whole hours")]);
    const recent = books.report({ ...all, fromMs: 70 * hourMs + 1, toMs: 70 * hourMs + 2 });
    expect(amountsOf(recent)).toEqual({ "idle_unlent/undecided": 1_000 });
    expect(recent.gaps).toEqual([]);
    books.close();
  });

  it("I11: folds whole hours sooner where more happens than is kept to the ms, and still balances", () => {
    const stretchesMax = 100;
    const books = openBooks(path, () => {}, { stretchesMax });
    const everyMs = 60_000;
    const states = ["idle", "busy"] as const;
    const count = 3_000;
    const events = Array.from({ length: count }, (_, i) => owner(i * everyMs, states[i % 2]!));
    books.apply(entries([deviceEvent("gpu-0", 0)]));
    for (let at = 0; at < count; at += 60) books.apply(entries(events.slice(at, at + 60), at + 2));
    const exact = () => {
      using db = new DatabaseSync(path, { readOnly: true });
      return Number(db.prepare("SELECT COUNT(*) AS n FROM segments WHERE folded = 0").get()?.["n"]);
    };
    // What is over the limit goes with the batch that brings it; the present hour is never folded.
    expect(exact()).toBeLessThanOrEqual(stretchesMax + 60);
    const whole = books.report(all);
    expect(whole.balanced).toBe(true);
    expect(whole.devices[0]!.elapsedUs).toBe((count - 1) * everyMs * 1_000);
    const within = books.report({ ...all, fromMs: hourMs + 1, toMs: 2 * hourMs - 1 });
    expect([within.fromMs, within.toMs, within.balanced]).toEqual([hourMs, 2 * hourMs, true]);
    expect(within.gaps).toEqual([expect.stringContaining("whole hours")]);
    books.close();
    const again = openBooks(path, () => {}, { stretchesMax });
    expect(again.report({ ...all, fromMs: hourMs + 1, toMs: 2 * hourMs - 1 })).toEqual(within);
    again.close();
  });

  it("I11: forgets hours and counts older than the history, and reports begin there", () => {
    const { historyMs } = kept;
    const books = bookAll(deviceEvent("gpu-0", 0), owner(0, "idle"), owner(hourMs, "busy"));
    books.apply(entries([owner(49 * hourMs, "idle"), alive(120 * hourMs)], 10));
    expect(books.report(all).fromMs).toBe(0);
    books.apply(entries([owner(historyMs + 50 * hourMs, "busy"), alive(historyMs + 50 * hourMs)], 20));
    const report = books.report(all);
    expect([report.fromMs, report.balanced]).toEqual([50 * hourMs, true]);
    expect(amountsOf(report)).toEqual({ "idle_unlent/undecided": historyMs * 1_000 });
    books.close();
    using db = new DatabaseSync(path, { readOnly: true });
    expect(db.prepare("SELECT MIN(from_ms) AS ms FROM segments").get()).toEqual({ ms: 50 * hourMs });
  });

  it("I11: keeps the newest decisions, waits and names, whatever the hour", () => {
    const { decisionsMax, pruneEntries } = kept;
    const decision = (i: number): LedgerEvent => ({
      type: "decision",
      atMs: 5,
      kind: "lend",
      device: "gpu-0",
      guestId: `g${i}`,
      leaseId: "",
      reasonCode: "best",
      reason: "",
      forecastHash: "",
    });
    const books = openBooks(path);
    const count = decisionsMax + pruneEntries;
    for (let at = 0; at < count; at += pruneEntries)
      books.apply(
        entries(
          Array.from({ length: pruneEntries }, (_, i) => decision(at + i)),
          at + 1,
        ),
      );
    books.close();
    using db = new DatabaseSync(path, { readOnly: true });
    expect(db.prepare("SELECT COUNT(*) AS n FROM decisions").get()).toEqual({ n: decisionsMax });
  });

  it("I11: keeps only so many damaged files, the newest", () => {
    for (let damage = 1; damage <= kept.setAsideMax + 2; damage += 1) {
      writeFileSync(path, "no books");
      openBooks(path).close();
    }
    const aside = readdirSync(dir).filter((name) => /\.damaged-\d+$/.test(name));
    const numbers = aside.map((name) => Number(name.split("-").at(-1))).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: kept.setAsideMax }, (_, i) => i + 3));
  });

  it("groups by pool, owner and tenant, with money for what was useful", () => {
    const books = bookAll(
      deviceEvent("gpu-0", 0),
      deviceEvent("gpu-2", 0),
      owner(0, "idle"),
      owner(0, "busy", "gpu-2"),
      lent(0),
      step(0, "running"),
      alive(24 * hourMs),
    );
    const report = books.report({ ...all, pricePerGpuHour: 2.5 });
    expect(report.total).toMatchObject({
      deviceHours: 48,
      usefulGpuHours: 24,
      usefulMoney: 60,
      harvestedGpuHours: 24,
    });
    expect(report.pools.map(({ name, deviceHours }) => [name, deviceHours])).toEqual([
      ["a", 24],
      ["b", 24],
    ]);
    expect(report.owners.map(({ name, deviceHours }) => [name, deviceHours])).toEqual([["research", 48]]);
    expect(report.tenants).toMatchObject([{ name: "red", deviceHours: 24, usefulGpuHours: 24, leases: 1 }]);
    expect(books.report({ ...all, pool: "b" }).total).toMatchObject({
      deviceHours: 24,
      usefulGpuHours: 0,
      leases: 0,
    });
    expect(() => books.report({ ...all, pool: "nowhere" })).toThrow(/nowhere/);
    books.close();
  });

  it("counts a meeting and the end of a recall once, however often they are written", () => {
    const met = { atMs: 20, device: "gpu-0", leaseId: "g1:1", recallId: "r1" };
    const meeting = (id: string): LedgerEvent => ({ type: "meeting", id, signal: "recall", ...met });
    const over = { elapsedMs: 10, deadlineMs: 5, reason: "" };
    const recalled = (stage: "deadline_missed" | "released"): LedgerEvent => ({
      type: "recalled",
      stage,
      ...met,
      ...over,
    });
    const began = [deviceEvent("gpu-0", 0), lent(0)];
    bookAll(...began, meeting("r1 gpu-0"), meeting("r1 gpu-0"), recalled("deadline_missed")).close();
    const books = openBooks(path);
    books.apply(entries([meeting("r1 gpu-0"), recalled("released"), meeting("r2 gpu-0"), alive(40)], 6));
    const report = books.report(all);
    expect(report.total).toMatchObject({ meetings: 2, deadlinesMissed: 1 });
    expect(report.returnsByRung.recall).toBe(0);
    books.close();
  });

  describe("count each stay of an owner on an idle device once, and whether it found a guest", () => {
    let meetings = 0;
    const met = (atMs: number, leaseId = "g1:1"): LedgerEvent => ({
      type: "meeting",
      id: `meeting ${++meetings}`,
      atMs,
      device: "gpu-0",
      leaseId,
      signal: "activity",
      recallId: "",
    });
    const paused = (atMs: number) => step(atMs, "paused", { mover: "activity" });
    const released = (atMs: number) => step(atMs, "released", { mover: "owner" });
    const lentAndRunning = [lent(11), step(12, "running")];

    it.each<[string, readonly LedgerEvent[], returns: number, met: number]>([
      ["no guest was there", [owner(20, "busy"), owner(30, "idle"), owner(40, "busy")], 2, 0],
      ["it was not seen before", [owner(13, "unknown"), owner(20, "busy")], 0, 0],
      ["a guest made way", [...lentAndRunning, met(20), paused(21), owner(22, "busy")], 1, 1],
      ["it was told late", [...lentAndRunning, paused(20), owner(21, "busy"), met(22)], 1, 1],
      ["two shared the device", [...lentAndRunning, met(20), met(20, "g2:1"), owner(22, "busy")], 1, 1],
      ["the owner called first", [...lentAndRunning, met(20), released(21), owner(90, "busy")], 1, 1],
      ["visits were short", [...lentAndRunning, met(20), paused(21), step(26, "running"), met(30)], 2, 2],
      ["it stood still already", [...lentAndRunning, step(20, "paused"), owner(30, "busy")], 1, 0],
    ])("%s", (_, events, returns, found) => {
      const books = bookAll(deviceEvent("gpu-0", 0), owner(10, "idle"), ...events, alive(100));
      const { total, tenants } = books.report(all);
      expect(total).toMatchObject({ returns, waitedShare: returns === 0 ? 0 : found / returns });
      expect(tenants.map((tenant) => tenant.returns)).toEqual(tenants.map(() => 0));
      books.close();
    });
  });

  it("counts each return once, by the rung that it needed, and what the owner waited", () => {
    const meeting = (atMs: number): LedgerEvent => ({
      type: "meeting",
      id: `meeting at ${atMs}`,
      atMs,
      device: "gpu-0",
      leaseId: "g1:1",
      signal: "activity",
      recallId: "",
    });
    const books = bookAll(
      deviceEvent("gpu-0", 0),
      lent(0),
      step(10, "running"),
      // A burst that a pause served.
      meeting(20),
      step(24, "paused", { mover: "activity", signalToStepMs: 4 }),
      step(60, "running"),
      // A burst that outlasted the pause budget.
      meeting(70),
      step(76, "paused", { mover: "activity", signalToStepMs: 6 }),
      step(90, "vacating", { mover: "budget" }),
      step(99, "released", { mover: "budget", signalToStepMs: 29, workedMs: 24 }),
      // An explicit recall, killed in the end.
      lent(100, "g2:1"),
      step(110, "running", { leaseId: "g2:1" }),
      step(115, "killing", { leaseId: "g2:1", mover: "owner", signalToStepMs: 5, recallId: "r1" }),
      step(130, "released", { leaseId: "g2:1", mover: "owner", signalToStepMs: 20, recallId: "r1" }),
      {
        type: "recalled",
        atMs: 131,
        recallId: "r1",
        device: "gpu-0",
        leaseId: "g2:1",
        stage: "released",
        elapsedMs: 21,
        deadlineMs: 50,
        reason: "",
      },
      {
        type: "recalled",
        atMs: 132,
        recallId: "r2",
        device: "gpu-0",
        leaseId: "g2:1",
        stage: "deadline_missed",
        elapsedMs: 60,
        deadlineMs: 50,
        reason: "",
      },
      // A kill that no recall asked for, and a pause that still lasts.
      lent(140, "g3:1"),
      step(150, "killing", { leaseId: "g3:1", mover: "activity", signalToStepMs: 1 }),
      step(160, "released", { leaseId: "g3:1", mover: "activity", signalToStepMs: 11 }),
      lent(170, "g4:1"),
      step(180, "running", { leaseId: "g4:1" }),
      step(190, "paused", { leaseId: "g4:1", mover: "activity", signalToStepMs: 2 }),
      alive(200),
    );
    const report = books.report(all);
    expect(report.returnsByRung).toEqual({ pause: 2, vacate: 1, kill: 1, recall: 1 });
    expect(report.total).toMatchObject({ leases: 4, evictions: 3, meetings: 2, deadlinesMissed: 1 });
    expect(report.total.computeWait).toEqual({ count: 5, p50Ms: 6, p99Ms: 20, maxMs: 20 });
    expect(report.total.releaseWait).toEqual({ count: 3, p50Ms: 20, p99Ms: 29, maxMs: 29 });
    expect(report.tenants[0]).toMatchObject({ name: "red", leases: 4, meetings: 2 });
    books.close();
  });

  it("knows how many guests are in which state", () => {
    const books = bookAll(
      deviceEvent("gpu-0", 0),
      ...["g1", "g2", "g3"].map((id) => guest(0, id, "waiting")),
      lent(1),
      step(2, "running"),
      guest(3, "g3", "succeeded"),
    );
    expect(books.report(all).guestsByState).toEqual({ running: 1, waiting: 1, succeeded: 1 });
    books.apply(entries([step(4, "released"), guest(4, "g1", "waiting")], 8));
    expect(books.report(all).guestsByState).toEqual({ waiting: 2, succeeded: 1 });
    expect(books.endedGuests()).toEqual({ succeeded: 1 });
    books.close();
  });

  it("remembers over a restart how far it saw, so that the next controller can name the outage", () => {
    const books = openBooks(path);
    expect(books.seenToMs()).toBe(null);
    books.apply(entries([alive(70), alive(60)]));
    books.close();
    const again = openBooks(path);
    expect(again.seenToMs()).toBe(70);
    again.close();
  });

  it("names an outage as a gap", () => {
    const books = bookAll(deviceEvent("gpu-0", 0), owner(0, "idle"), {
      type: "outage",
      sinceMs: 1_000,
      atMs: 4_000,
    });
    const report = books.report(all);
    expect(report.gaps).toEqual([expect.stringContaining("(3 s)")]);
    expect(amountsOf(report)).toEqual({ "idle_unlent/undecided": 1_000_000, "unknown/outage": 3_000_000 });
    books.close();
  });

  it("lists decisions newest first, by device or guest", () => {
    const decision = (atMs: number, device: string, guestId: string): LedgerEvent => ({
      type: "decision",
      atMs,
      kind: "lend",
      device,
      guestId,
      leaseId: `${guestId}:1`,
      reasonCode: "window_fits",
      reason: "idle for 5 min",
      forecastHash: "f00",
    });
    const books = bookAll(decision(1, "gpu-0", "g1"), decision(2, "gpu-1", "g2"), decision(3, "gpu-0", "g2"));
    const ask = (query: object) =>
      books.decisions({ device: "", guestId: "", pageSize: 100, ...query }).map(({ atMs }) => atMs);
    expect(ask({})).toEqual([3, 2, 1]);
    expect(ask({ pageSize: 1 })).toEqual([3]);
    expect(ask({ device: "gpu-0" })).toEqual([3, 1]);
    expect(ask({ guestId: "g2" })).toEqual([3, 2]);
    expect(books.decisions({ device: "gpu-1", guestId: "", pageSize: 1 })[0]).toEqual({
      atMs: 2,
      kind: "lend",
      device: "gpu-1",
      guestId: "g2",
      leaseId: "g2:1",
      reasonCode: "window_fits",
      reason: "idle for 5 min",
      forecastHash: "f00",
    });
    books.close();
  });

  it("sets a damaged file aside, begins anew and says so in every report", () => {
    writeFileSync(path, "this is not a database, whatever its name says".repeat(100));
    const books = openBooks(path);
    books.apply(entries([deviceEvent("gpu-0", 0), alive(10)]));
    expect(books.report(all)).toMatchObject({
      balanced: true,
      gaps: [expect.stringContaining(".damaged-1")],
    });
    books.close();
    expect(readdirSync(dir)).toContain("ledger.sqlite.damaged-1");
    const again = openBooks(path);
    expect(again.report(all).gaps).toHaveLength(1);
    again.close();
  });

  it("reads beside a writer, and refuses what is not there or no books", () => {
    const writer = bookAll(deviceEvent("gpu-0", 0), alive(10));
    const books = readBooks(path);
    expect(books.report(all).toMs).toBe(10);
    writer.apply(entries([alive(20)], 3));
    expect(books.report(all).toMs).toBe(20);
    books.close();
    writer.close();
    const code = expect.objectContaining({ code: "BOOKS_UNREADABLE" });
    expect(() => readBooks(join(dir, "none.sqlite"))).toThrow(code);
    writeFileSync(join(dir, "text.sqlite"), "text".repeat(1_000));
    expect(() => readBooks(join(dir, "text.sqlite"))).toThrow(code);
  });
});
