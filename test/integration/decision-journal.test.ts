import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDecider } from "../../src/controller/decide.ts";
import { DecisionJournal } from "../../src/controller/decision-journal.ts";
import { frameOf } from "../../src/controller/decision-frames.ts";
import { replay } from "../../src/controller/decision-replay.ts";
import { keptDecisions } from "../../src/controller/kept-decisions.ts";
import type { Snapshot } from "../../src/core/snapshot.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { createMetrics, type Metrics } from "../../src/runtime/metrics.ts";
import { fastSettings } from "../support/controller.ts";
import { decideInto, News, readAll } from "../support/decisions.ts";
import { device, guest, settings, snapshot } from "../support/snapshots.ts";

const mib = 1024 * 1024;
let root: string;
let dir: string;
let news: News;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gleaner-decisions-"));
  dir = join(root, "decisions");
  news = new News();
});
afterEach(() => rmSync(root, { recursive: true }));

function open(bytesMax = 16 * mib): DecisionJournal {
  return new DecisionJournal({ dir, bytesMax, release: "test" }, settings, news.take);
}

const files = () => readdirSync(dir).toSorted();
const onlyFile = () => join(dir, files()[0]!);

/** A cycle that lends one guest its device. */
function lending(id: string): Snapshot {
  return snapshot({ devices: [device("GPU-a"), device("GPU-b")], guests: [guest(id)] });
}

describe("the journal of decisions", () => {
  it("I7: has each cycle that lent, in order, and the core decides it again", async () => {
    const journal = open();
    for (const atMs of [1, 2, 3]) decideInto(journal, lending(`g-${atMs}`), atMs);
    await journal.close();
    const { cycles, unreadable } = await readAll(dir);
    expect(unreadable).toEqual([]);
    expect(cycles.map(({ atMs, decisions }) => [atMs, decisions.lends[0]?.guestId])).toEqual([
      [1, "g-1"],
      [2, "g-2"],
      [3, "g-3"],
    ]);
    for (const cycle of cycles) expect(replay(cycle, cycle.settings)).toBeNull();
    expect((await readAll(dir, 2)).cycles.map(({ atMs }) => atMs)).toEqual([2, 3]);
  });

  it("keeps a cycle that lends nothing only where it decides otherwise than the one before", async () => {
    const journal = open();
    const waiting = (reason: null | "held", atMs: number, id = "g-1") =>
      decideInto(
        journal,
        snapshot({
          nowMs: 1e9 + atMs,
          devices: [device("GPU-a", { heldBy: reason })],
          guests: [guest(id, { shape: { model: "none" } })],
        }),
        atMs,
      );
    waiting(null, 1);
    waiting(null, 2);
    waiting("held", 3);
    waiting("held", 4);
    waiting("held", 5, "g-2");
    await journal.close();
    expect((await readAll(dir)).cycles.map(({ atMs }) => atMs)).toEqual([1, 3, 5]);
  });

  it("I7: is written by the thread that decides large fleets, once it handed the lends over", async () => {
    let atMs = 0;
    const kept = { dir, bytesMax: 16 * mib, release: "test", wallMs: () => ++atMs, onNews: news.take };
    const decider = createDecider({ workerAboveDevices: 1, settings, kept });
    const devices = Array.from({ length: 1_200 }, (_, index) => device(`GPU-${index}`));
    const guests = devices.map((_, index) => guest(`g-${index}`, { sequence: index }));
    const decided = [
      await decider.decide(snapshot({ devices, guests })),
      await decider.decide(lending("g-x")),
      await decider.decide(snapshot({ devices: [device("GPU-a")], guests: [guest("g-y")] })),
    ];
    await decider.close();
    const { cycles, unreadable } = await readAll(dir);
    expect(unreadable).toEqual([]);
    expect(cycles.map(({ decisions }) => decisions)).toEqual(decided);
    for (const cycle of cycles) expect(replay(cycle, cycle.settings)).toBeNull();
    expect(news.all).toEqual([{ kind: "kept" }, { kind: "kept" }, { kind: "kept" }]);
  });

  it("I11: drops the oldest files at its bound, and what is left stands on its own", async () => {
    const journal = open(mib);
    const bytes = () => files().reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    for (let atMs = 1; atMs <= 60; atMs++) {
      const devices = Array.from({ length: 1_000 }, (_, index) =>
        device(`GPU-${index}-${Math.sin(index * atMs)}`, { ownerSinceMs: index * Math.sqrt(atMs) }),
      );
      const done = news.next();
      decideInto(journal, snapshot({ devices, guests: [guest(`g-${atMs}`)] }), atMs);
      await done;
      expect(bytes()).toBeLessThanOrEqual(mib);
    }
    await journal.close();
    const { cycles, unreadable } = await readAll(dir);
    expect(unreadable).toEqual([]);
    expect(bytes()).toBeGreaterThan(mib / 2);
    expect(files().length).toBeGreaterThan(2);
    const kept = cycles.map(({ atMs }) => atMs);
    expect(kept[0]).toBeGreaterThan(1);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, place) => 60 - kept.length + 1 + place));
    for (const cycle of cycles) expect(replay(cycle, cycle.settings)).toBeNull();
  });

  it("I11: gives cycles up that come faster than the disk takes them, and says how many", async () => {
    const journal = open();
    for (let atMs = 1; atMs <= 20; atMs++) decideInto(journal, lending(`g-${atMs}`), atMs);
    const missed = news.all.filter(({ kind }) => kind === "missed").length;
    expect(missed).toBe(12);
    while (news.all.filter(({ kind }) => kind === "kept").length < 8) await news.next();
    decideInto(journal, lending("g-21"), 21);
    await journal.close();
    const { cycles } = await readAll(dir);
    expect(cycles.reduce((sum, cycle) => sum + cycle.missed, 0)).toBe(missed);
    expect(cycles.map(({ atMs }) => atMs)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 21]);
  });

  it("goes on in a new file where its file was removed", async () => {
    const journal = open();
    for (const atMs of [1, 2, 3]) {
      const done = news.next();
      decideInto(journal, lending(`g-${atMs}`), atMs);
      await done;
      if (atMs === 1) rmSync(dir, { recursive: true });
    }
    await journal.close();
    expect(news.all.map(({ kind }) => kind)).toEqual(["kept", "missed", "kept"]);
    expect((await readAll(dir)).cycles.map(({ atMs, missed }) => [atMs, missed])).toEqual([[3, 1]]);
  });

  it("is off, once and for all, on a full disk; the decisions go on", async () => {
    const kept = { dir, bytesMax: 16 * mib, release: "test", wallMs: () => 1, onNews: news.take };
    const decider = createDecider({ workerAboveDevices: 10, settings, kept });
    const first = news.next();
    await decider.decide(lending("g-1"));
    await first;
    renameSync(onlyFile(), join(root, "first"));
    symlinkSync("/dev/full", join(dir, "decisions-0000000000001.jsonl.zst"));
    const second = news.next();
    await decider.decide(lending("g-2"));
    expect(await second).toMatchObject({ kind: "failed", problem: expect.stringMatching(/ENOSPC/) });
    expect((await decider.decide(lending("g-3"))).lends).toHaveLength(1);
    await decider.close();
    expect(news.all.map(({ kind }) => kind)).toEqual(["kept", "failed"]);
  });

  it.each([
    ["where the disk takes no directory", 1, "EEXIST"],
    ["where one cycle is too large for its bound", 20_000, "decisions.keptMibMax is 1: give it at least"],
  ])("is off %s, and says so once", async (_, count, problem) => {
    if (problem === "EEXIST") writeFileSync(dir, "");
    const journal = open(mib);
    const devices = Array.from({ length: count }, (__, index) => device(`GPU-${Math.sin(index)}`));
    for (const id of ["g-1", "g-2"]) decideInto(journal, snapshot({ devices, guests: [guest(id)] }), 1);
    await journal.close();
    expect(news.all).toEqual([{ kind: "failed", problem: expect.stringContaining(problem) }]);
  });
});

describe("its settings", () => {
  const lines: string[] = [];
  const log = createLogger({
    name: "controller",
    level: "info",
    pretty: false,
    stream: { write: (line) => lines.push(line) },
  });
  const keptWith = (keptMibMax: number, metrics: Metrics) =>
    keptDecisions({
      dataDir: root,
      settings: fastSettings({ decisions: { keptMibMax } }),
      release: "test",
      clock: systemClock,
      log,
      metrics,
    });

  it("keep no decisions at 0, and as many MiB of them otherwise", () => {
    expect(keptWith(0, createMetrics({ version: "test" }))).toBeNull();
    expect(keptWith(3, createMetrics({ version: "test" }))).toMatchObject({ dir, bytesMax: 3 * mib });
  });

  it("tell the operator when the disk fails: one line, and the metric", async () => {
    const metrics = createMetrics({ version: "test" });
    const shown = async () => (await metrics.decisionJournalOn.get()).values[0]?.value;
    const kept = keptWith(1, metrics)!;
    expect(await shown()).toBe(1);
    kept.onNews({ kind: "kept" });
    kept.onNews({ kind: "missed" });
    kept.onNews({ kind: "failed", problem: "ENOSPC: no space left on device, write" });
    expect(await shown()).toBe(0);
    expect(
      (await metrics.decisionCycles.get()).values.map(({ labels, value }) => [labels.journal, value]),
    ).toEqual([
      ["kept", 1],
      ["missed", 1],
    ]);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: "error", msg: expect.stringContaining("ENOSPC") });
  });
});

describe("reading it", () => {
  async function written(count: number): Promise<void> {
    const journal = open();
    for (let atMs = 1; atMs <= count; atMs++) decideInto(journal, lending(`g-${atMs}`), atMs);
    await journal.close();
  }

  it("passes over a record that a crash tore, with a word about it", async () => {
    await written(3);
    const bytes = readFileSync(onlyFile());
    writeFileSync(onlyFile(), bytes.subarray(0, bytes.length - 5));
    const later = open();
    decideInto(later, lending("g-9"), 9);
    await later.close();
    const { cycles, unreadable } = await readAll(dir);
    expect(cycles.map(({ atMs }) => atMs)).toEqual([1, 2, 9]);
    expect(unreadable.map(({ code, message }) => [code, /record 3 is torn/.test(message)])).toEqual([
      ["DECISIONS_UNREADABLE", true],
    ]);
  });

  it("passes over a record that is no cycle's", async () => {
    await written(1);
    appendFileSync(onlyFile(), await frameOf([Buffer.from('{"kind":"cycle","atMs":2,"missed":0}\n')]));
    const { cycles, unreadable } = await readAll(dir);
    expect(cycles).toHaveLength(1);
    expect(unreadable[0]?.message).toMatch(/record 2: a part of it is missing/);
  });

  it("names the release where the format is another, and fails where it can read nothing else", async () => {
    await written(1);
    const [name] = files();
    const head = { journal: "gleaner decisions", version: 99, release: "9.0.0", settings };
    const other = await frameOf([Buffer.from(`${JSON.stringify(head)}\n`)]);
    writeFileSync(join(dir, "decisions-9999999999999.jsonl.zst"), other);
    expect((await readAll(dir)).unreadable[0]?.message).toMatch(/written by release 9.0.0 in version 99/);
    rmSync(join(dir, name!));
    await expect(readAll(dir)).rejects.toMatchObject({ code: "DECISIONS_UNREADABLE" });
  });

  it("says that there is nothing where there is nothing", async () => {
    await expect(readAll(dir)).rejects.toMatchObject({ code: "DECISIONS_NOT_FOUND" });
  });
});
