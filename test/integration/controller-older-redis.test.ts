import { cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { fastSettings, startTestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { acknowledged, renewals, submit, untilState } from "../support/running-guest.ts";

/** Redis dies under a running controller and comes back with what it held some time before, as from a backup. */

const settings = fastSettings({ queue: { lockMs: 2_000, lockRenewMs: 100 } });

/** Resolves with what brings Redis back to the moment of the call. */
async function remember(redis: TestRedis): Promise<() => Promise<void>> {
  const [now, then] = [join(redis.dir, "appendonlydir"), join(redis.dir, "backup")];
  cpSync(now, then, { recursive: true });
  const client = await connectRedis(redis.url, { name: "test" });
  return async () => {
    const { pid } = redis;
    process.kill(pid, "SIGSTOP");
    rmSync(now, { recursive: true });
    renameSync(then, now);
    process.kill(pid, "SIGKILL");
    // Answered by the next one.
    await client.ping();
    client.disconnect();
  };
}

it("I3: a lease that Redis forgot is renewed no more, and its guest is lent again only once it has left", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url, settings });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1", "GPU-2"] });
  await peer.connect(test.controller.apiAddress);
  const id = await submit(test);
  const comeBack = await remember(redis);
  peer.sample(0);
  await untilState(test, id, GuestState.RUNNING);
  const lease = [...peer.leases.values()][0]!;
  await peer.until(() => acknowledged(peer, lease) === lease.step);

  await comeBack();
  const renew = async () => {
    const before = renewals(peer, lease);
    peer.renew(new Map([[lease.header.leaseId, 0]]));
    await peer.heard();
    return renewals(peer, lease) > before;
  };
  while (await renew());
  // Another device is idle all the while.
  const starts = () => peer.commands.filter(({ $case }) => $case === "start").length;
  expect(starts()).toBe(1);
  peer.report(lease, LeaseState.VACATING);
  await peer.until(() => acknowledged(peer, lease) === lease.step);
  expect(starts()).toBe(1);
  peer.report(lease, LeaseState.RELEASED, { exitCode: 85 });
  await peer.until(() => starts() === 2);
  expect(await untilState(test, id, GuestState.RUNNING)).toMatchObject({ attempts: 1, evictions: 0 });
  expect(await renew()).toBe(true);
  peer.disconnect();
});

it("I4: a lease whose end Redis forgot is ended again, and its guest runs again", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url, settings });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  const id = await submit(test);
  await untilState(test, id, GuestState.RUNNING);
  const [first] = peer.leases.values();
  await peer.until(() => acknowledged(peer, first!) === first!.step);
  const comeBack = await remember(redis);
  peer.report(first!, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0 });
  await peer.until(() => acknowledged(peer, first!) === first!.step);

  await comeBack();
  await peer.until(() => peer.leases.size > 0);
  const [second] = peer.leases.values();
  expect(second!.header.leaseId).toBe(`${id}:2`);
  peer.report(second!, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0 });
  expect(await untilState(test, id, GuestState.SUCCEEDED)).toMatchObject({ attempts: 2, evictions: 0 });
  peer.disconnect();
});

it("I4, I10: a lease whose unproven end Redis forgot ends so again, its guest runs, and its proof is still taken", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url, settings });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1", "GPU-2"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0, ["GPU-1"]);
  const id = await submit(test);
  await untilState(test, id, GuestState.RUNNING);
  const [first] = peer.leases.values();
  await peer.until(() => acknowledged(peer, first!) === first!.step);
  const comeBack = await remember(redis);
  peer.report(first!, LeaseState.QUARANTINED, { mover: Mover.OWNER });
  await peer.until(() => acknowledged(peer, first!) === first!.step);

  await comeBack();
  peer.sample(0, ["GPU-2"]);
  await peer.until(() => peer.leases.size > 0);
  const [second] = peer.leases.values();
  expect(second!.devices).toEqual(["GPU-2"]);
  const client = await connectRedis(redis.url, { name: "test" });
  const { unproven } = zoneKeys(test.settings.zone);
  expect(await client.hkeys(unproven)).toEqual([first!.header.leaseId]);
  peer.report(first!, LeaseState.RELEASED);
  await peer.until(() => acknowledged(peer, first!) === first!.step);
  expect(await client.hkeys(unproven)).toEqual([]);
  client.disconnect();
  peer.disconnect();
});

it("I4, I10: a lease that bears the name and the token of one whose loan Redis forgot is another's, and that one's proof is still taken", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url, settings });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1", "GPU-2"] });
  await peer.connect(test.controller.apiAddress);
  const id = await submit(test);
  const comeBack = await remember(redis);
  peer.sample(0, ["GPU-1"]);
  await untilState(test, id, GuestState.RUNNING);
  const [first] = peer.leases.values();
  peer.report(first!, LeaseState.QUARANTINED, { mover: Mover.OWNER });
  await peer.until(() => acknowledged(peer, first!) === first!.step);

  await comeBack();
  peer.sample(0, ["GPU-2"]);
  await peer.until(() => peer.leases.size > 0);
  expect([...peer.leases.values()].map(({ devices }) => devices)).toEqual([["GPU-2"]]);
  peer.report(first!, LeaseState.RELEASED);
  await peer.until(() => acknowledged(peer, first!) === first!.step);
  const other = await submit(test);
  peer.sample(0, ["GPU-1"]);
  await untilState(test, other, GuestState.RUNNING);
  expect([...peer.leases.values()].map(({ devices }) => devices)).toContainEqual(["GPU-1"]);
  peer.disconnect();
});

it("I4: the queue follows the guest's record where the books refuse an end", async () => {
  await using redis = await startTestRedis();
  await using test = await startTestController({ redisUrl: redis.url, settings });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  const id = await submit(test);
  await untilState(test, id, GuestState.RUNNING);
  const [lease] = peer.leases.values();
  await peer.until(() => acknowledged(peer, lease!) === lease!.step);

  // The books give the lease another token: no step of this one is taken any more.
  const client = await connectRedis(redis.url, { name: "test" });
  const { leases } = zoneKeys(test.settings.zone);
  const booked = JSON.parse((await client.hget(leases, lease!.header.leaseId))!) as { token: object };
  const token = { generation: 1, number: 99 };
  await client.hset(leases, lease!.header.leaseId, JSON.stringify({ ...booked, token }));
  client.disconnect();
  peer.report(lease!, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 85 });
  await peer.until(() => peer.leases.size > 0);
  expect(await untilState(test, id, GuestState.RUNNING)).toMatchObject({ attempts: 2 });
  peer.disconnect();
});
