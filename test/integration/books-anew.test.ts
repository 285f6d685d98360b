import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { processGuest, startTestController } from "../support/controller.ts";
import { damageBooks } from "../support/damage.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { submit, untilState } from "../support/running-guest.ts";
import { until } from "../support/up.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(async () => {
  await redis.stop();
});
beforeEach(async () => {
  const client = await connectRedis(redis.url, { name: "test" });
  await client.flushall();
  client.disconnect();
});

it("I8: books that are damaged under a running controller begin anew with what stands, name the gap and balance", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "gleaner-anew-"));
  await using test = await startTestController({ redisUrl: redis.url, dataDir });
  const { clients, controller } = test;
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1", "GPU-2"] });
  await peer.connect(controller.apiAddress);
  peer.sample(0);
  const { guest } = await clients.guests.submit({ spec: processGuest(), idempotencyKey: "" });
  for await (const change of clients.guests.watch({ ids: [guest!.id], tenant: "", changesOnly: false }))
    if (change.guest?.state === GuestState.RUNNING) break;
  const ask = async () => clients.reports.getReport({ pricePerGpuHour: 0, pool: "" });
  expect((await ask()).gaps).toEqual([]);

  damageBooks(join(dataDir, "ledger.sqlite"));
  await expect.poll(async () => (await ask().catch(() => null))?.devices.length, { timeout: 10_000 }).toBe(2);
  const report = await ask();
  expect(report).toMatchObject({
    balanced: true,
    total: { leases: 1 },
    guestsByState: { running: 1 },
    gaps: [expect.stringContaining(".damaged-1")],
  });
  const [lease] = peer.leases.values();
  const lent = report.devices.find(({ device }) => device === lease!.devices[0])!;
  expect(lent.amounts.map(({ category }) => category)).toContain("CATEGORY_USEFUL");
  peer.disconnect();
  rmSync(dataDir, { recursive: true });
});

it("I8: a controller that comes later is told what stands, and once it leads its report says where its books begin", async () => {
  const leader = await startTestController({ redisUrl: redis.url });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(leader.controller.apiAddress);
  peer.sample(0);
  const id = await submit(leader);
  await untilState(leader, id, GuestState.RUNNING);
  await leader.clients.reports.getReport({ pricePerGpuHour: 0, pool: "" });

  await using later = await startTestController({ redisUrl: redis.url, standby: true });
  const client = await connectRedis(redis.url, { name: "test" });
  const stream = new LedgerStream(client, "default", { streamEntriesMax: 1_000 });
  const readers = () => client.hlen(zoneKeys("default").books);
  await until("it is told", async () => (await readers()) === 2 && (await stream.wishes()).length === 0);
  client.disconnect();
  await leader.stop();
  const ready = async () => (await fetch(`http://${later.controller.httpAddress}/readyz`)).text();
  await until("it leads", async () => !(await ready()).includes("standby"));
  const report = await later.clients.reports.getReport({ pricePerGpuHour: 0, pool: "" });
  expect(report).toMatchObject({
    balanced: true,
    gaps: expect.arrayContaining([expect.stringContaining("These books begin at")]),
    guestsByState: { running: 1 },
    total: { leases: 1 },
  });
  const amounts = report.devices[0]!.amounts;
  expect(amounts.map(({ category }) => category)).toContain("CATEGORY_USEFUL");
  // The device is told before its lease, a moment apart on a busy host.
  const other = amounts.filter(({ category }) => category !== "CATEGORY_USEFUL");
  expect(other.reduce((sum, { deviceUs }) => sum + deviceUs, 0)).toBeLessThan(1_000_000);
  peer.disconnect();
});
