import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState, type WatchResponse } from "../../src/gen/gleaner/v1/guests.ts";
import { RecallStage, Rung, type RecallResponse } from "../../src/gen/gleaner/v1/owners.ts";
import { AgentPeer, type PeerLease } from "../support/agent-peer.ts";
import {
  fastSettings,
  processGuest,
  startTestController,
  type TestController,
} from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(async () => {
  await redis.stop();
});

/** Each test has a Redis database of its own zone's keys: a fresh server flushed. */
async function freshController(settings = fastSettings()): Promise<TestController> {
  const { Redis } = await import("ioredis");
  const client = new Redis(redis.url);
  await client.flushall();
  client.disconnect();
  return startTestController({ redisUrl: redis.url, settings });
}

async function untilState(
  test: TestController,
  id: string,
  ...states: GuestState[]
): Promise<WatchResponse["guest"]> {
  for await (const { guest } of test.clients.guests.watch({ ids: [id], tenant: "", changesOnly: false }))
    if (guest !== undefined && states.includes(guest.state)) return guest;
  throw new Error("the watch ended");
}

const recallOf = (uuids: string[], more = {}) => ({
  target: { scope: { $case: "devices" as const, value: { uuids } } },
  deadlineMs: 3_000,
  firstRung: Rung.PAUSE,
  reason: "test",
  holdMs: undefined,
  ...more,
});

async function submit(test: TestController, more = {}): Promise<string> {
  const { guest } = await test.clients.guests.submit({ spec: processGuest(more), idempotencyKey: "" });
  return guest!.id;
}

describe("the controller", () => {
  it("lends an idle device to a waiting guest, and books every second of it", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const id = await submit(test);
    const running = await untilState(test, id, GuestState.RUNNING);
    expect(running).toMatchObject({ host: "host-a", devices: ["GPU-1"], leaseId: `${id}:1` });
    const [lease] = [...peer.leases.values()];
    peer.report(lease!, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0, workedMs: 20 });
    const ended = await untilState(test, id, GuestState.SUCCEEDED);
    expect(ended).toMatchObject({ exitCode: 0, attempts: 1, failures: 0, evictions: 0 });
    const report = await test.clients.reports.getReport({
      from: undefined,
      to: undefined,
      pricePerGpuHour: 0,
      pool: "",
    });
    expect(report.balanced).toBe(true);
    const [books] = report.devices;
    expect(books!.amounts.reduce((sum, { deviceUs }) => sum + deviceUs, 0)).toBe(books!.elapsedUs);
    peer.disconnect();
  });

  it("I6: lends nothing on a device whose owner is busy or unknown", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-busy", "GPU-unknown"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0.4, ["GPU-busy"]);
    const id = await submit(test);
    const idle = new AgentPeer({ host: "host-b", devices: ["GPU-idle"] });
    await idle.connect(test.controller.apiAddress);
    idle.sample(0);
    expect(await untilState(test, id, GuestState.RUNNING)).toMatchObject({ devices: ["GPU-idle"] });
    const second = await submit(test);
    const why = await untilExplained(test, second);
    expect(why.obstacles.map(({ reasonCode }) => reasonCode).toSorted()).toEqual([
      "lent",
      "owner_busy",
      "owner_unknown",
    ]);
    peer.disconnect();
    idle.disconnect();
  });

  it("streams a recall from accepted over paused to released, and puts the guest back", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const id = await submit(test);
    await untilState(test, id, GuestState.RUNNING);
    const stages: RecallStage[] = [];
    for await (const progress of test.clients.owners.recall(recallOf(["GPU-1"]))) {
      stages.push(progress.stage);
      const [lease] = [...peer.leases.values()];
      if (progress.stage === RecallStage.PAUSED)
        peer.report(lease!, LeaseState.RELEASED, {
          mover: Mover.OWNER,
          recallId: progress.recallId,
          workedMs: 10,
        });
    }
    expect(stages).toEqual([RecallStage.ACCEPTED, RecallStage.PAUSED, RecallStage.RELEASED]);
    expect(await untilState(test, id, GuestState.WAITING, GuestState.RUNNING)).toMatchObject({
      evictions: 1,
      failures: 0,
    });
    peer.disconnect();
  });

  it("I0: a recall reaches the agent while Redis is dead, and is booked when it is back", async () => {
    await using own = await startTestRedis();
    await using test = await startTestController({ redisUrl: own.url });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const id = await submit(test);
    await untilState(test, id, GuestState.RUNNING);
    process.kill(own.pid, "SIGSTOP");
    const progress: RecallResponse[] = [];
    try {
      for await (const step of test.clients.owners.recall(recallOf(["GPU-1"], { firstRung: Rung.VACATE })))
        progress.push(step);
    } finally {
      process.kill(own.pid, "SIGCONT");
    }
    expect(progress.map(({ stage }) => stage)).toEqual([
      RecallStage.ACCEPTED,
      RecallStage.VACATING,
      RecallStage.RELEASED,
    ]);
    for await (const { guest } of test.clients.guests.watch({ ids: [id], tenant: "", changesOnly: false }))
      if (guest?.evictions === 1) break;
    const report = await test.clients.reports.getReport({
      from: undefined,
      to: undefined,
      pricePerGpuHour: 0,
      pool: "",
    });
    expect(report.returnsByRung).toMatchObject({ recall: 1 });
    peer.disconnect();
  });

  it("tells the deadline as missed when the agent does not release in time", async () => {
    await using test = await freshController();
    const stubborn = new AgentPeer({ host: "host-a", devices: ["GPU-1"], onStart: () => {} });
    await stubborn.connect(test.controller.apiAddress);
    stubborn.sample(0);
    await submit(test);
    await stubborn.until(() => stubborn.leases.size === 1);
    stubborn.leases.clear();
    const stages: RecallStage[] = [];
    for await (const { stage } of test.clients.owners.recall(recallOf(["GPU-1"], { deadlineMs: 200 })))
      stages.push(stage);
    expect(stages).toEqual([RecallStage.ACCEPTED, RecallStage.DEADLINE_MISSED]);
    stubborn.disconnect();
  });

  it("recalls from a pool what loses least: free devices first, then the freshest checkpoint", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1", "GPU-2", "GPU-3"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0, ["GPU-1", "GPU-2"]);
    const ids = [await submit(test), await submit(test)];
    for (const id of ids) await untilState(test, id, GuestState.RUNNING);
    peer.sample(0, ["GPU-3"]);
    const ages = new Map(
      [...peer.leases.values()].map(({ header, devices }) => [
        header.leaseId,
        devices[0] === "GPU-2" ? 10 : 60_000,
      ]),
    );
    peer.renew(ages);
    await peer.until(() => peer.commands.some(({ $case }) => $case === "termsRenewed"));
    const target = { scope: { $case: "pool" as const, value: { pool: "serving", devices: 2 } } };
    const recalled = new Set<string>();
    for await (const { device } of test.clients.owners.recall({
      ...recallOf([]),
      target,
      firstRung: Rung.VACATE,
    }))
      recalled.add(device);
    expect([...recalled].toSorted()).toEqual(["GPU-2", "GPU-3"]);
    peer.disconnect();
  });

  it("pauses for a Busy hint, and resumes when the owner says Idle", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const id = await submit(test);
    await untilState(test, id, GuestState.RUNNING);
    const target = { scope: { $case: "fleet" as const, value: {} } };
    expect(await test.clients.owners.busy({ target, ttlMs: 60_000, reason: "batch" })).toMatchObject({
      devicesPaused: 1,
    });
    await untilState(test, id, GuestState.PAUSED);
    expect(await test.clients.owners.idle({ target })).toMatchObject({ hintsEnded: 1 });
    await untilState(test, id, GuestState.RUNNING);
    peer.disconnect();
  });

  it("lends nothing while a fleet hold stands", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const target = { scope: { $case: "fleet" as const, value: {} } };
    await test.clients.owners.hold({ target, ttlMs: undefined, reason: "audit", recall: false });
    const id = await submit(test);
    expect((await untilExplained(test, id)).reasonCode).toBe("held");
    await test.clients.owners.unhold({ which: { $case: "target", value: target } });
    await untilState(test, id, GuestState.RUNNING);
    peer.disconnect();
  });

  it("I3, I4: adopts what runs, puts back what does not, and kills what it does not know, after a restart", async () => {
    const { Redis } = await import("ioredis");
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
    const dataDir = mkdtempSync(join(tmpdir(), "gleaner-restart-"));
    const first = await startTestController({ redisUrl: redis.url, dataDir });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1", "GPU-2"] });
    await peer.connect(first.controller.apiAddress);
    peer.sample(0);
    const ids = [await submit(first), await submit(first), await submit(first)];
    await untilState(first, ids[0]!, GuestState.RUNNING);
    await untilState(first, ids[1]!, GuestState.RUNNING);
    await first.stop();
    peer.disconnect();

    const second = await startTestController({ redisUrl: redis.url, dataDir });
    const adopted = [...peer.leases.values()].find(({ header }) => header.leaseId.startsWith(ids[0]!));
    const stranger: PeerLease = { ...adopted!, header: { ...adopted!.header, leaseId: "unknown-1:1" } };
    peer.leases.clear();
    peer.leases.set(adopted!.header.leaseId, adopted!);
    peer.leases.set("unknown-1:1", stranger);
    await peer.connect(second.controller.apiAddress, {
      leases: [peer.leaseReport(adopted!), peer.leaseReport(stranger)],
    });
    await peer.until(() => !peer.leases.has("unknown-1:1"));
    expect(await untilState(second, ids[0]!, GuestState.RUNNING)).toMatchObject({
      attempts: 1,
      leaseId: `${ids[0]}:1`,
    });
    peer.sample(0);
    expect(await untilState(second, ids[1]!, GuestState.RUNNING)).toMatchObject({
      attempts: 2,
      evictions: 1,
    });
    await untilState(second, ids[2]!, GuestState.WAITING);
    await second.stop();
    peer.disconnect();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("I10: quarantines a device whose hand-back was not proven until the agent proves it", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const id = await submit(test);
    await untilState(test, id, GuestState.RUNNING);
    const [lease] = [...peer.leases.values()];
    peer.report(lease!, LeaseState.QUARANTINED, { mover: Mover.TERM, detail: "a process will not die" });
    expect((await untilExplained(test, id)).obstacles).toMatchObject([
      { reasonCode: "quarantined", devices: 1 },
    ]);
    peer.report(lease!, LeaseState.RELEASED);
    await untilState(test, id, GuestState.RUNNING);
    peer.disconnect();
  });

  it("cancels a waiting guest at once and a running one with its notice", async () => {
    await using test = await freshController();
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const running = await submit(test);
    await untilState(test, running, GuestState.RUNNING);
    const waiting = await submit(test);
    const { guest } = await test.clients.guests.cancel({ id: waiting, reason: "not needed" });
    expect(guest).toMatchObject({ state: GuestState.CANCELLED });
    await test.clients.guests.cancel({ id: running, reason: "" });
    await untilState(test, running, GuestState.CANCELLED);
    expect(peer.commands.some(({ $case }) => $case === "vacate")).toBe(true);
    peer.disconnect();
  });
});

/** Until a cycle has considered the guest. */
async function untilExplained(test: TestController, id: string) {
  for (;;) {
    const why = await test.clients.guests.explain({ id });
    if (why.obstacles.length > 0) return why;
  }
}
