import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { processGuest, startTestController } from "../support/controller.ts";
import { damageBooks } from "../support/damage.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(async () => {
  await redis.stop();
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
