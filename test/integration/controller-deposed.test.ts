import { once } from "node:events";
import { expect, it } from "vitest";
import { LeaseState } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { startTestController, type TestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { depose as deposeAny } from "../support/lease-books.ts";
import { acknowledged, renewals, untilState, withRunningGuest } from "../support/running-guest.ts";

/** A controller that another has deposed leads no more, from the first answer on by which the books say so. */

async function depose(redis: TestRedis, test: TestController): Promise<number> {
  const client = await connectRedis(redis.url, { name: "next leader" });
  const epoch = await deposeAny(client, test.settings.zone);
  client.disconnect();
  return epoch;
}

async function lost({ controller }: TestController): Promise<unknown> {
  if (!controller.lost.aborted) await once(controller.lost, "abort");
  return controller.lost.reason;
}

it("I2: a deposed controller sends its agents away, serves nobody and says why", async () => {
  await using redis = await startTestRedis();
  await using running = await withRunningGuest(redis);
  const { test, peer, lease } = running;
  const epoch = await depose(redis, test);
  peer.report(lease, LeaseState.PAUSED);
  expect(await lost(test)).toMatchObject({ code: "LEADERSHIP_LOST", details: { epoch: epoch - 1 } });

  expect(await peer.ended).toMatchObject({ code: "LEADERSHIP_LOST", status: "UNAVAILABLE" });
  const id = lease.header.leaseId;
  await expect(test.clients.guests.get({ id })).rejects.toMatchObject({ status: "UNAVAILABLE" });
  const ready = await fetch(`http://${test.controller.httpAddress}/readyz`);
  expect({ status: ready.status, text: await ready.text() }).toEqual({
    status: 503,
    text: expect.stringContaining("LEADERSHIP_LOST"),
  });
});

it("I2, I4: what a deposed controller did not book it does not acknowledge, so that the next one hears of it", async () => {
  await using redis = await startTestRedis();
  await using running = await withRunningGuest(redis);
  const { test, peer, id, lease } = running;
  const known = acknowledged(peer, lease);
  await depose(redis, test);
  peer.report(lease, LeaseState.PAUSED);
  peer.renew(new Map([[lease.header.leaseId, 0]]));
  await lost(test);
  await peer.ended;
  const [acks, terms] = [acknowledged(peer, lease), renewals(peer, lease)];
  await test.stop();
  // From its loss on, its end included, it has told the agent nothing.
  expect([acknowledged(peer, lease), renewals(peer, lease)]).toEqual([acks, terms]);
  expect(acks).toBe(known);

  await using next = await startTestController({ redisUrl: redis.url });
  await peer.connect(next.controller.apiAddress, { leases: [peer.leaseReport(lease)] });
  await peer.until(() => acknowledged(peer, lease) === lease.step);
  expect(await untilState(next, id, GuestState.PAUSED, GuestState.RUNNING)).toMatchObject({ attempts: 1 });
});

it("I2: a controller without work hears that it was deposed too", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url });
  await depose(redis, test);
  expect(await lost(test)).toMatchObject({ code: "LEADERSHIP_LOST" });
});

it("I2: leads anew above the leader that an agent knows, where Redis came back empty", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress, { newestLeader: { generation: 1, epoch: 7, nonce: "" } });
  expect(peer.commands[0]).toMatchObject({ $case: "welcome", value: { epoch: 8, generation: 2 } });
  expect(test.controller.lost.aborted).toBe(false);
  peer.disconnect();
});

it("I2: steps down before an agent that knows a newer leader of the same books", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url });
  const epoch = await depose(redis, test);
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  const connecting = peer.connect(test.controller.apiAddress, {
    newestLeader: { generation: 1, epoch, nonce: "" },
  });
  await expect(connecting).rejects.toMatchObject({ status: "UNAVAILABLE" });
  expect(await lost(test)).toMatchObject({ code: "LEADERSHIP_LOST" });
  peer.disconnect();
});
