import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { RecallStage, Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { defineScripts } from "../../src/store/scripts.ts";
import { queueKeys } from "../../src/queue/keys.ts";
import { AgentPeer, type PeerLease } from "../support/agent-peer.ts";
import { startTestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { acknowledged, submit, untilAgents, untilState, withRunningGuest } from "../support/running-guest.ts";

/** What must hold when Redis, an agent or the lead goes away at the worst moment. */

let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(async () => {
  await redis.stop();
});

const recallOf = (uuids: string[], deadlineMs: number) => ({
  target: { scope: { $case: "devices" as const, value: { uuids } } },
  deadlineMs,
  firstRung: Rung.PAUSE,
  reason: "test",
  holdMs: undefined,
});

describe("a step of a lease", () => {
  it("is not acknowledged before the books have it, however often it is repeated", async () => {
    await using own = await startTestRedis();
    await using running = await withRunningGuest(own);
    const { peer, lease } = running;
    process.kill(own.pid, "SIGSTOP");
    try {
      peer.report(lease, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0 });
      peer.repeat(lease, { mover: Mover.GUEST, exitCode: 0 });
      await peer.heard();
      expect(acknowledged(peer, lease)).toBe(lease.step - 1);
    } finally {
      process.kill(own.pid, "SIGCONT");
    }
    await peer.until(() => acknowledged(peer, lease) === lease.step);
  });
});

describe("an agent that comes back", () => {
  it("I5: is told of the recall that was made while it was away", async () => {
    await using running = await withRunningGuest(redis);
    const { test, peer, lease } = running;
    peer.disconnect();
    await untilAgents(test, 0);
    const stages: RecallStage[] = [];
    for await (const progress of test.clients.owners.recall(recallOf(["GPU-1"], 5_000))) {
      stages.push(progress.stage);
      if (progress.stage === RecallStage.ACCEPTED)
        await peer.connect(test.controller.apiAddress, { leases: [peer.leaseReport(lease)] });
      if (progress.stage === RecallStage.PAUSED)
        peer.report(lease, LeaseState.RELEASED, { mover: Mover.OWNER, recallId: progress.recallId });
    }
    expect(stages).toEqual([RecallStage.ACCEPTED, RecallStage.PAUSED, RecallStage.RELEASED]);
  });

  it("I5: gives back a device whose recall missed its deadline meanwhile", async () => {
    await using running = await withRunningGuest(redis);
    const { test, peer, lease } = running;
    peer.disconnect();
    await untilAgents(test, 0);
    for await (const { stage } of test.clients.owners.recall(recallOf(["GPU-1"], 50)))
      if (stage === RecallStage.DEADLINE_MISSED)
        await peer.connect(test.controller.apiAddress, { leases: [peer.leaseReport(lease)] });
    await peer.until(() => peer.commands.some(({ $case }) => $case === "pause"));
  });

  it("vacates the guest that was cancelled before its stream broke", async () => {
    await using running = await withRunningGuest(redis);
    const { test, peer, id, lease } = running;
    peer.leases.clear(); // it is told to vacate and does not come to it
    await test.clients.guests.cancel({ id, reason: "" });
    await peer.until(() => peer.commands.some(({ $case }) => $case === "vacate"));
    peer.disconnect();
    await untilAgents(test, 0);
    peer.leases.set(lease.header.leaseId, lease);
    await peer.connect(test.controller.apiAddress, { leases: [peer.leaseReport(lease)] });
    await untilState(test, id, GuestState.CANCELLED);
  });
});

describe("a guest that is cancelled", () => {
  const wish = { reason: "wrong data" };

  it("I4: ends though its controller dies within the notice, and never runs again", async () => {
    await using own = await startTestRedis();
    const first = await withRunningGuest(own);
    const { id, lease } = first;
    first.peer.leases.clear(); // it is told to vacate and does not come to it
    const { guest } = await first.test.clients.guests.cancel({ id, ...wish });
    expect(guest).toMatchObject({ state: GuestState.RUNNING, cancelling: true, ...wish });
    await first[Symbol.asyncDispose]();
    await using test = await startTestController({ redisUrl: own.url });
    expect((await test.clients.guests.get({ id })).guest).toMatchObject({ cancelling: true, ...wish });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    peer.leases.set(lease.header.leaseId, lease);
    await peer.connect(test.controller.apiAddress, { leases: [peer.leaseReport(lease)] });
    const ended = await untilState(test, id, GuestState.CANCELLED, GuestState.WAITING);
    expect(ended).toMatchObject({ state: GuestState.CANCELLED, attempts: 1, cancelling: false, ...wish });
    peer.disconnect();
  });

  it("I4: ends as cancelled where its controller died and its agent evicted it meanwhile", async () => {
    await using own = await startTestRedis();
    const first = await withRunningGuest(own);
    const { id, lease } = first;
    first.peer.leases.clear();
    await first.test.clients.guests.cancel({ id, ...wish });
    await first[Symbol.asyncDispose]();
    await using test = await startTestController({ redisUrl: own.url });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    const evicted = { step: lease.step + 1, state: LeaseState.RELEASED, mover: Mover.ACTIVITY };
    await peer.connect(test.controller.apiAddress, { leases: [peer.leaseReport(lease, evicted)] });
    peer.sample(0);
    await untilState(test, id, GuestState.CANCELLED);
    peer.disconnect();
  });

  it("ends at whatever moment between its queue and its device the wish comes", async () => {
    await using own = await startTestRedis();
    await using test = await startTestController({ redisUrl: own.url });
    const devices = Array.from({ length: 40 }, (_, index) => `GPU-${index}`);
    const peer = new AgentPeer({ host: "host-a", devices });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    await Promise.all(
      devices.map(async (_, turns) => {
        const id = await submit(test);
        for (let turn = 0; turn < turns * 4; turn += 1) await nextTurn();
        await test.clients.guests.cancel({ id, ...wish });
        expect(await untilState(test, id, GuestState.CANCELLED)).toMatchObject(wish);
      }),
    );
    peer.disconnect();
  });

  it("is told to leave when its agent, which was away, is back", async () => {
    await using running = await withRunningGuest(redis);
    const { test, peer, id, lease } = running;
    peer.disconnect();
    await untilAgents(test, 0);
    const { guest } = await test.clients.guests.cancel({ id, ...wish });
    expect(guest).toMatchObject({ state: GuestState.RUNNING, cancelling: true });
    // Twice is once.
    expect((await test.clients.guests.cancel({ id, reason: "again" })).guest).toMatchObject(wish);
    await peer.connect(test.controller.apiAddress, { leases: [peer.leaseReport(lease)] });
    expect(await untilState(test, id, GuestState.CANCELLED)).toMatchObject(wish);
  });

  it("ends with its lease where its agent does not come back", async () => {
    await using running = await withRunningGuest(redis);
    const { test, peer, id } = running;
    peer.disconnect();
    await untilAgents(test, 0);
    await test.clients.guests.cancel({ id, ...wish });
    expect(await untilState(test, id, GuestState.CANCELLED)).toMatchObject({ attempts: 1 });
  });
});

describe("a recall", () => {
  it("ends although its owner names a device twice", async () => {
    await using running = await withRunningGuest(redis);
    const { test } = running;
    const stages: RecallStage[] = [];
    const recall = { ...recallOf(["GPU-1", "GPU-1"], 3_000), firstRung: Rung.VACATE };
    for await (const { stage } of test.clients.owners.recall(recall)) stages.push(stage);
    expect(stages).toEqual([RecallStage.ACCEPTED, RecallStage.VACATING, RecallStage.RELEASED]);
  });
});

describe("a recall that an agent took by itself", () => {
  const reportOf = (lease: PeerLease, stage: RecallStage) => ({
    recallId: "recall-1",
    device: "GPU-1",
    stage,
    ageMs: 0,
    elapsedMs: 1,
    deadlineMs: 60_000,
    reason: "test",
    leaseId: lease.header.leaseId,
    holdMs: 0,
  });

  it("is over when its host restarts and knows it no more: the device is lent again", async () => {
    await using own = await startTestRedis();
    await using running = await withRunningGuest(own);
    const { test, peer, id, lease } = running;
    peer.tellRecall(reportOf(lease, RecallStage.ACCEPTED));
    await peer.heard();
    peer.disconnect();
    await untilAgents(test, 0);
    peer.leases.clear();
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    await peer.until(() => peer.leases.has(`${id}:2`));
    const range = { from: undefined, to: undefined, pricePerGpuHour: 0, pool: "" };
    const report = await test.clients.reports.getReport(range);
    expect(report.returnsByRung).toMatchObject({ recall: 1 });
    expect(report.total).toMatchObject({ meetings: 1, deadlinesMissed: 0 });
  });

  it("is counted once, though its end was not acknowledged and is told again", async () => {
    await using own = await startTestRedis();
    await using running = await withRunningGuest(own);
    const { test, peer, lease } = running;
    for (const stage of [RecallStage.ACCEPTED, RecallStage.RELEASED, RecallStage.RELEASED])
      peer.tellRecall(reportOf(lease, stage));
    await peer.heard();
    const range = { from: undefined, to: undefined, pricePerGpuHour: 0, pool: "" };
    const report = await test.clients.reports.getReport(range);
    expect(report.returnsByRung).toMatchObject({ recall: 1 });
    expect(report.total).toMatchObject({ meetings: 1 });
  });

  it("stays over, though an early stage of it is repeated after its end", async () => {
    await using own = await startTestRedis();
    await using running = await withRunningGuest(own);
    const { peer, lease, id } = running;
    peer.tellRecall(reportOf(lease, RecallStage.ACCEPTED));
    peer.report(lease, LeaseState.RELEASED, { mover: Mover.OWNER, workedMs: 1 });
    for (const stage of [RecallStage.RELEASED, RecallStage.ACCEPTED]) peer.tellRecall(reportOf(lease, stage));
    await peer.heard();
    peer.sample(0);
    await peer.until(() => peer.leases.has(`${id}:2`));
  });

  it("stands for a controller that starts again, until the agent says that it is over", async () => {
    await using own = await startTestRedis();
    const first = await withRunningGuest(own);
    const { lease } = first;
    await first[Symbol.asyncDispose]();
    await using test = await startTestController({ redisUrl: own.url });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    const ended = { step: lease.step + 1, state: LeaseState.RELEASED, mover: Mover.OWNER };
    await peer.connect(test.controller.apiAddress, {
      leases: [peer.leaseReport(lease, ended)],
      recalls: [reportOf(lease, RecallStage.VACATING)],
    });
    peer.sample(0);
    await peer.heard();
    const explained = async () => {
      const { obstacles } = await test.clients.guests.explain({ id: first.id });
      return obstacles.map(({ reasonCode }) => reasonCode);
    };
    while (!(await explained()).includes("cool_down")) expect(peer.leases.size).toBe(0);
    peer.tellRecall(reportOf(lease, RecallStage.RELEASED));
    await peer.until(() => peer.leases.has(lease.header.leaseId.replace(/1$/, "2")));
    peer.disconnect();
  });
});

describe("a lend whose answer was lost", () => {
  it("I4: is given back, and its guest ends by it where somebody cancelled it meanwhile", async () => {
    const client = await connectRedis(redis.url, { name: "test" });
    await client.flushall();
    await using test = await startTestController({ redisUrl: redis.url });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress);
    const [stays, cancelled] = [await submit(test), await submit(test)];
    while ((await test.clients.guests.explain({ id: cancelled })).obstacles.length === 0);
    const { epoch } = await firstOf(test.clients.reports.watchFleet({ intervalMs: 100 }));
    const grants = [{ device: "GPU-1", sharePermille: 500, memoryMib: 0 }];
    const terms = {
      memoryLendableMib: [null],
      trustGroup: "",
      reasonCode: "fits",
      reason: "",
      forecastHash: "",
    };
    const lend = { epoch, tenant: "team-a", host: "host-a", grants, ...terms };
    const requests = [stays, cancelled].map((guestId) => Object.assign({ guestId }, lend));
    const { lead, guests, leases, devices, quarantines, ledger } = zoneKeys("default");
    const reign = `${epoch}:${await client.hget(lead, "nonce")}`;
    defineScripts(client);
    for (const request of requests) {
      const json = JSON.stringify({ ...request, reign, request: request.guestId });
      const keys = [lead, guests, leases, devices, quarantines, ledger];
      expect((await client.gleanerLend(...keys, json, Date.now(), 1_000))[0]).toBe("lent");
    }
    const { guest } = await test.clients.guests.cancel({ id: cancelled, reason: "" });
    expect(guest).toMatchObject({ cancelling: true });

    // A cycle fails, as it does when the connection breaks.
    await client.set(queueKeys("default").lanesToAsk, "unreadable");
    peer.sample(0);
    while (!/errorstat_WRONGTYPE/.test(await client.info("errorstats")));
    await client.del(queueKeys("default").lanesToAsk);
    client.disconnect();
    await untilState(test, cancelled, GuestState.CANCELLED);
    expect(await untilState(test, stays, GuestState.RUNNING)).toMatchObject({ attempts: 2, evictions: 0 });
    peer.disconnect();
  });
});

describe("a controller that starts again", () => {
  it("I2: begins a new generation where Redis came back older than an agent's tokens", async () => {
    await using own = await startTestRedis();
    const first = await withRunningGuest(own);
    const { header } = first.lease;
    await first[Symbol.asyncDispose]();
    const client = await connectRedis(own.url, { name: "test" });
    await client.hincrby(zoneKeys("default").lead, "number", -1);
    client.disconnect();
    await using test = await startTestController({ redisUrl: own.url });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
    await peer.connect(test.controller.apiAddress, { tokens: [{ device: "GPU-1", token: header.token }] });
    expect(peer.commands[0]).toMatchObject({ $case: "welcome", value: { generation: 2 } });
    peer.disconnect();
  });

  it("keeps the hints of a pool whose agents are not back yet when another owner says Idle", async () => {
    const client = await connectRedis(redis.url, { name: "test" });
    await client.flushall();
    client.disconnect();
    const poolOf = (pool: string) => ({ scope: { $case: "pool" as const, value: { pool, devices: 0 } } });
    const training = new AgentPeer({ host: "host-a", devices: ["GPU-1"], pool: "training" });
    const serving = new AgentPeer({ host: "host-b", devices: ["GPU-2"], pool: "serving" });
    const first = await startTestController({ redisUrl: redis.url });
    await training.connect(first.controller.apiAddress);
    await first.clients.owners.busy({ target: poolOf("training"), ttlMs: 60_000, reason: "" });
    training.disconnect();
    await first.stop();

    await using test = await startTestController({ redisUrl: redis.url });
    await serving.connect(test.controller.apiAddress);
    expect(await test.clients.owners.idle({ target: poolOf("serving") })).toMatchObject({ hintsEnded: 0 });
    await training.connect(test.controller.apiAddress);
    expect(await test.clients.owners.idle({ target: poolOf("training") })).toMatchObject({ hintsEnded: 1 });
    serving.disconnect();
    training.disconnect();
  });
});

async function firstOf<T>(items: AsyncIterable<T>): Promise<T> {
  for await (const item of items) return item;
  throw new Error("the stream ended");
}
