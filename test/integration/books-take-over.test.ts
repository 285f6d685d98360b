import { once } from "node:events";
import { join } from "node:path";
import { expect, it } from "vitest";
import { reportFromProto } from "../../src/api/convert/report.ts";
import { readBooks } from "../../src/report/books.ts";
import type { Report } from "../../src/report/report.ts";
import { ProcessFleet } from "../support/process-fleet.ts";
import { until } from "../support/up.ts";

const devices = ["GPU-0", "GPU-1", "GPU-2"];

async function reportOf({ clients }: ProcessFleet, range: { from?: Date; to?: Date } = {}): Promise<Report> {
  return reportFromProto(await clients.reports.getReport({ ...range, pricePerGpuHour: 0, pool: "" }));
}

/** Device-µs of each device, by what they were. */
function booked({ devices: books }: Pick<Report, "devices">) {
  return books.map(({ device, fromMs, toMs, amounts }) => ({ device, fromMs, toMs, amounts }));
}

async function followsBooks(fleet: ProcessFleet, name: string): Promise<void> {
  await until(`${name} keeps books`, async () => /standby(?!.*books)/.test(await fleet.ready(name)));
}

it("I8: after kill -9 of the leader the other's report covers both reigns, and so does its own when it is back and leads again", async () => {
  await using fleet = await ProcessFleet.open({
    terms: { termMs: 15_000, renewIntervalMs: 500, driftMs: 500 },
    policies: [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: 20_000 }],
    ledger: { drainIntervalMs: 50 },
  });
  const a = await fleet.startController("a", "leads");
  const b = await fleet.startController("b", "stands by");
  await followsBooks(fleet, "b");
  fleet.startAgent(devices);
  await until("the agent has found both", async () => (await fleet.hearsAgent("a")) && fleet.hearsAgent("b"));
  await fleet.running(await fleet.submit("first"));
  const ofA = await reportOf(fleet);
  expect(ofA).toMatchObject({ balanced: true, gaps: [], total: { leases: 1 } });

  a.kill("SIGKILL");
  await once(a, "exit");
  await fleet.running(await fleet.submit("second"));
  const ofB = await reportOf(fleet);
  expect(ofB).toMatchObject({
    balanced: true,
    gaps: [expect.stringContaining("Nobody watched")],
    total: { leases: 2 },
    guestsByState: { running: 2 },
  });
  expect(ofB.devices.map(({ fromMs }) => fromMs)).toEqual(ofA.devices.map(({ fromMs }) => fromMs));
  const reignOfA = { from: new Date(ofA.fromMs), to: new Date(ofA.toMs) };
  expect(booked(await reportOf(fleet, reignOfA))).toEqual(booked(ofA));

  // What the killed one had not booked waits for it.
  await fleet.startController("a", "stands by");
  await followsBooks(fleet, "a");
  await fleet.running(await fleet.submit("third"));
  const before = await reportOf(fleet);
  const range = { fromMs: before.fromMs, toMs: before.toMs, pricePerGpuHour: 0, pool: "" };
  const file = readBooks(join(fleet.dataDir("a"), "ledger.sqlite"));
  await until("it has followed", () => file.report({ ...range, toMs: null }).toMs > range.toMs);
  expect(booked(file.report(range))).toEqual(booked(before));
  file.close();

  b.kill("SIGTERM");
  await once(b, "exit");
  const ofAAgain = await reportOf(fleet, { from: new Date(before.fromMs), to: new Date(before.toMs) });
  expect(booked(ofAAgain)).toEqual(booked(before));
  expect(ofAAgain.total).toEqual(before.total);
  expect(await reportOf(fleet)).toMatchObject({ balanced: true, total: { leases: 3 } });
});
