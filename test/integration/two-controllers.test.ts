import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { RecallStage, Rung, type RecallResponse } from "../../src/gen/gleaner/v1/owners.ts";
import { connectClients } from "../../src/api/client.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { startTestController, type TestController } from "../support/controller.ts";
import { errorDetails, RawClient } from "../support/raw-rpc.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { submit, untilState } from "../support/running-guest.ts";
import { until } from "../support/up.ts";

/** One leads, one stands by. Processes that die are in test/e2e/failover.test.ts. */

it("clients that know one of them find the leader, wherever they ask, and again when it is the other", async () => {
  const [leader, standby] = await pair();
  await using _ = standby;
  const id = await submit(standby);
  expect((await leader.clients.guests.get({ id })).guest).toMatchObject({ id });
  await leader.stop();
  const clients = connectClients([leader.controller.apiAddress, standby.controller.apiAddress]);
  expect((await clients.guests.get({ id })).guest).toMatchObject({ id });
  for await (const { epoch } of clients.reports.watchFleet({ intervalMs: 100 })) {
    expect(epoch).toBe(2);
    break;
  }
  clients.close();
});

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  const client = await connectRedis(redis.url, { name: "test" });
  await client.flushall();
  client.disconnect();
});

async function pair(): Promise<[TestController, TestController]> {
  const leader = await startTestController({ redisUrl: redis.url });
  const standby = await startTestController({ redisUrl: redis.url, standby: true });
  await until("both keep books", async () => {
    const ready = await fetch(`http://${standby.controller.httpAddress}/readyz`);
    return !(await ready.text()).includes("books");
  });
  return [leader, standby];
}

/** Whether it takes the agent in as the leader of its books. */
async function connected(
  peer: AgentPeer,
  { controller }: TestController,
  newestLeader: { generation: number; epoch: number; nonce: string },
): Promise<boolean> {
  peer.commands.length = 0;
  await peer.connect(controller.apiAddress, { newestLeader });
  return peer.commands.some((body) => body.$case === "welcome" && !body.value.standby);
}

async function recall(test: TestController, uuids: string[]): Promise<RecallResponse[]> {
  const target = { scope: { $case: "devices" as const, value: { uuids } } };
  const order = { target, firstRung: Rung.PAUSE, reason: "test", deadlineMs: 3_000, holdMs: 0 };
  const heard: RecallResponse[] = [];
  for await (const response of test.clients.owners.recall(order)) heard.push(response);
  return heard;
}

it("a standby says who leads, is ready, and serves nothing but Recall", async () => {
  const [leader, standby] = await pair();
  await using _ = leader;
  await using __ = standby;
  const ready = await fetch(`http://${standby.controller.httpAddress}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([200, expect.stringContaining("standby")]);
  const details = { leader: leader.controller.apiAddress };
  using raw = new RawClient(standby.controller.apiAddress);
  const asked = await raw.call("/gleaner.v1.OwnerService/ListHolds", new Uint8Array()).catch(errorDetails);
  expect(asked).toMatchObject({ info: { reason: "NOT_LEADER", metadata: details } });
  await expect(recall(standby, ["GPU-none"])).rejects.toMatchObject({ code: "DEVICE_NOT_FOUND" });
});

it("I0: a recall at the standby goes to the agent itself, and its stages come back to the caller", async () => {
  const [leader, standby] = await pair();
  await using _ = leader;
  await using __ = standby;
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(standby.controller.apiAddress);
  expect(peer.commands[0]).toMatchObject({ $case: "welcome", value: { standby: true } });
  const following = recall(standby, ["GPU-1"]);
  const passedOn = () => peer.commands.find((body) => body.$case === "ownerRecall")?.value;
  await peer.until(() => passedOn() !== undefined);
  const { recallId, devices, deadlineMs } = passedOn()!;
  expect({ devices, deadlineMs }).toEqual({ devices: ["GPU-1"], deadlineMs: 3_000 });
  const report = { recallId, device: "GPU-1", ageMs: 0, elapsedMs: 1, deadlineMs: 3_000, reason: "test" };
  for (const stage of [RecallStage.PAUSED, RecallStage.RELEASED])
    peer.tellRecall({ ...report, stage, leaseId: "g:1", holdMs: 0 });
  expect((await following).map(({ stage }) => stage)).toEqual([RecallStage.PAUSED, RecallStage.RELEASED]);

  peer.disconnect();
  await until("the standby misses the agent", async () => {
    const answer = await recall(standby, ["GPU-1"]).catch((thrown: unknown) => thrown);
    return answer instanceof Error && "code" in answer && answer.code === "AGENT_UNREACHABLE";
  });
});

it("I5: a recall at the standby is passed on again to an agent whose connection broke, and its deadline goes on", async () => {
  const [leader, standby] = await pair();
  await using _ = leader;
  await using __ = standby;
  const first = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await first.connect(standby.controller.apiAddress);
  const following = recall(standby, ["GPU-1"]);
  const passedOn = (peer: AgentPeer) => peer.commands.find((body) => body.$case === "ownerRecall")?.value;
  await first.until(() => passedOn(first) !== undefined);
  first.disconnect();

  const anew = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await anew.connect(standby.controller.apiAddress);
  await anew.until(() => passedOn(anew) !== undefined);
  const { elapsedMs, ...again } = passedOn(anew)!;
  expect(passedOn(first)).toMatchObject(again);
  expect(elapsedMs).toBeGreaterThan(0);
  const report = { device: "GPU-1", ageMs: 0, elapsedMs, deadlineMs: 3_000, reason: "test" };
  const released = { stage: RecallStage.RELEASED, leaseId: "g:1", holdMs: 0 };
  anew.tellRecall({ ...report, ...released, recallId: again.recallId });
  expect((await following).map(({ stage }) => stage)).toEqual([RecallStage.RELEASED]);
  anew.disconnect();
});

it("I2, I3: the standby takes the lead when the leader leaves, with its guests, and knows the owners already", async () => {
  const [leader, standby] = await pair();
  await using _ = standby;
  const atLeader = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await atLeader.connect(leader.controller.apiAddress);
  atLeader.sample(0);
  const id = await submit(leader);
  await untilState(leader, id, GuestState.RUNNING);
  const lease = [...atLeader.leases.values()][0]!;
  const atStandby = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await atStandby.connect(standby.controller.apiAddress, { leases: [atLeader.leaseReport(lease)] });

  const client = await connectRedis(redis.url, { name: "test" });
  await leader.stop();
  const heldBy = await client.get(zoneKeys("default").lock);
  expect(heldBy, "a lock that was given up is not waited for").not.toEqual(
    expect.stringContaining(leader.controller.apiAddress),
  );
  client.disconnect();
  expect(await atStandby.ended).toMatchObject({ code: "LEAD_TAKEN" });
  await atStandby.connect(standby.controller.apiAddress, { leases: [atLeader.leaseReport(lease)] });
  expect(await untilState(standby, id, GuestState.RUNNING)).toMatchObject({ attempts: 1 });
  // It has followed: its report covers what was before.
  const report = await standby.clients.reports.getReport({ pricePerGpuHour: 1, pool: "" });
  expect(report).toMatchObject({
    balanced: true,
    gaps: [expect.stringContaining("Nobody watched")],
    guestsByState: { running: 1 },
    total: { leases: 1 },
  });
  atLeader.disconnect();
  atStandby.disconnect();
});

it("I0, I2: while Redis stands still for longer than its lock, a leader renews no term and takes back as a standby does; then it leads on", async () => {
  await using still = await startTestRedis();
  await using leader = await startTestController({ redisUrl: still.url });
  using raw = new RawClient(leader.controller.apiAddress);
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(leader.controller.apiAddress);
  process.kill(still.pid, "SIGSTOP");
  await until("it is not sure to lead", async () => {
    const asked = raw.call("/gleaner.v1.OwnerService/ListHolds", new Uint8Array());
    const failed = await asked.then(() => null, errorDetails);
    return failed?.info?.reason === "NOT_LEADER";
  });
  peer.commands.length = 0;
  peer.renew(new Map());
  const following = recall(leader, ["GPU-1"]);
  const passedOn = () => peer.commands.find((body) => body.$case === "ownerRecall")?.value;
  await peer.until(() => passedOn() !== undefined);
  const { recallId } = passedOn()!;
  const report = { recallId, device: "GPU-1", ageMs: 0, elapsedMs: 1, deadlineMs: 3_000, reason: "test" };
  peer.tellRecall({ ...report, stage: RecallStage.RELEASED, leaseId: "g:1", holdMs: 0 });
  expect((await following).map(({ stage }) => stage)).toEqual([RecallStage.RELEASED]);
  const answered = () => peer.commands.map(({ $case }) => $case);
  await peer.until(() => answered().includes("recallReportAck"));
  expect(answered(), "though it came after").not.toContain("termsRenewed");

  process.kill(still.pid, "SIGCONT");
  expect(await leader.clients.owners.listHolds({})).toMatchObject({ holds: [] });
  expect(leader.controller.lost.aborted).toBe(false);
  peer.disconnect();
});

it("I2: a leader whose lock another holds ends by itself, and renews no term from then on", async () => {
  const [leader, standby] = await pair();
  await using _ = leader;
  await using __ = standby;
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(leader.controller.apiAddress);
  // As if it could not reach Redis: what it renews is refused.
  const client = await connectRedis(redis.url, { name: "test" });
  await client.set(zoneKeys("default").lock, "somebody 127.0.0.1:1", "PX", 60_000);
  client.disconnect();
  if (!leader.controller.lost.aborted) await once(leader.controller.lost, "abort");
  expect(leader.controller.lost.reason).toMatchObject({ code: "LEADERSHIP_LOST" });
  expect(await peer.ended).toMatchObject({ code: "LEADERSHIP_LOST" });
});

it("I2: of two that took one epoch in two pasts of one Redis, only the one that Redis knows goes on", async () => {
  const [leader, standby] = await pair();
  await using _ = leader;
  await using __ = standby;
  const client = await connectRedis(redis.url, { name: "test" });
  const { lead, lock } = zoneKeys("default");
  const epoch = Number(await client.hget(lead, "epoch"));
  // Redis goes back to before the leader took the lead.
  await client
    .multi()
    .hset(lead, "epoch", epoch - 1)
    .hdel(lead, "nonce")
    .del(lock)
    .exec();
  if (!leader.controller.lost.aborted) await once(leader.controller.lost, "abort");
  await until("the other leads", async () => Number(await client.hget(lead, "epoch")) === epoch);
  client.disconnect();

  // An agent that heard of the first makes the second lead above it.
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  const newestLeader = { generation: 1, epoch, nonce: "the first one's" };
  await until("it leads", () => connected(peer, standby, newestLeader));
  expect(peer.commands.at(0)).toMatchObject({ $case: "welcome", value: { generation: 2, epoch: epoch + 1 } });
  peer.disconnect();
});

it("serves recalls while Redis is away from the start, and takes the lead when it comes", async () => {
  const late = await startTestRedis();
  const { url } = late;
  process.kill(late.pid, "SIGSTOP");
  await using standby = await startTestController({ redisUrl: url, standby: true });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(standby.controller.apiAddress);
  const following = recall(standby, ["GPU-1"]);
  await peer.until(() => peer.commands.some((body) => body.$case === "ownerRecall"));
  process.kill(late.pid, "SIGCONT");
  expect(await peer.ended).toMatchObject({ code: "LEAD_TAKEN" });
  expect(await following).toMatchObject([{ stage: RecallStage.DEADLINE_MISSED }]);
  await standby.stop();
  await late.stop();
});
