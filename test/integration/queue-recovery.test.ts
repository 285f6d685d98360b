import { Worker } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { GuestQueue } from "../../src/queue/guest-queue.ts";
import { queueKeys } from "../../src/queue/keys.ts";
import { laneIdOf } from "../../src/queue/lane.ts";
import type { RecordedGuest } from "../../src/queue/recovery.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { guestSpec, headIds, noRecords, openQueue, recordEnds, submitAll } from "../support/queue.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

let server: TestRedis;
let redis: Redis;
let zone: string;
let queue: GuestQueue;
const settings = { headsPerLane: 8, endedKeptMax: 3 };
beforeAll(async () => {
  server = await startTestRedis();
  redis = new Redis(server.url, { maxRetriesPerRequest: null });
  redis.on("error", () => {});
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  zone = freshZone();
  queue = await openQueue({ url: server.url, zone, queue: settings });
  await queue.recover(noRecords);
});
afterEach(async () => {
  vi.useRealTimers();
  await queue.close();
});

const many = (count: number, changes = {}) => Array.from({ length: count }, () => guestSpec(changes));

function letPass(ms: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
}

async function restart(): Promise<void> {
  await queue.close();
  queue = await openQueue({ url: server.url, zone, queue: settings });
}

it("I4: claims a guest whose lane was named into a connection that broke", async () => {
  const ids = await submitAll(queue, many(1));
  await redis.del(queueKeys(zone).lanesToAsk);
  await queue.refill();
  expect(headIds(queue)).toEqual([]);
  await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await vi.waitUntil(async () => {
    await queue.refill();
    return headIds(queue).length > 0;
  });
  expect(headIds(queue)).toEqual(ids);
});

describe("recover", () => {
  it("I4: sorts what the leader before had claimed into running, waiting and ended, and loses nobody", async () => {
    const ids = await submitAll(queue, many(20));
    await queue.refill();
    const [running, evicted, ended, ...waiting] = headIds(queue) as [string, string, string, ...string[]];
    for (const id of [running, evicted, ended]) queue.admit(id);
    await restart();
    await recordEnds(server.url, zone, [ended]);
    const record = (state: RecordedGuest["state"]) => ({ state, evictions: 2, workedMs: 9 });
    const recovered = await queue.recover({
      liveGuestIds: new Set([running]),
      record: async () =>
        new Map([
          [running, record("running")],
          [evicted, record("waiting")],
          [ended, record("succeeded")],
        ]),
    });
    expect(recovered.running.map(({ id }) => id)).toEqual([running]);
    expect(recovered).toMatchObject({ waiting: waiting.length + 1, finished: 1 });
    expect(headIds(queue)).toEqual([evicted, ...waiting]);
    expect(queue.heads()[0]).toMatchObject({ evictions: 2, workedMs: 9 });
    expect(queue.heads()[1]).toMatchObject({ evictions: 0, workedMs: 0 });
    expect((await queue.openCounts()).get("acme")).toBe(19);

    await queue.putBack(running, { evictions: 3, workedMs: 10, delayMs: 0 });
    expect(headIds(queue)[0]).toBe(running);
    await recordEnds(server.url, zone, [running]);
    await queue.finish(running, "failed");
    const rest = new Set<string>();
    for (let i = 0; i < 4; i += 1) {
      await queue.refill();
      for (const id of headIds(queue)) {
        rest.add(id);
        queue.admit(id);
      }
    }
    expect([...rest].toSorted()).toEqual(ids.filter((id) => id !== running && id !== ended).toSorted());
  });

  it("remembers a back-off over a restart", async () => {
    const [id] = (await submitAll(queue, many(1))) as [string];
    await queue.refill();
    queue.admit(id);
    await queue.putBack(id, { evictions: 1, workedMs: 0, delayMs: 60_000 });
    await restart();
    expect(await queue.recover(noRecords)).toMatchObject({ waiting: 1 });
    await queue.refill();
    expect(headIds(queue)).toEqual([]);
    letPass(60_000);
    await queue.refill();
    expect(headIds(queue)).toEqual([id]);
  });

  it("fences the leader before: it moves nothing any more and drops its heads", async () => {
    await submitAll(queue, many(4));
    await queue.refill();
    const id = headIds(queue)[0]!;
    await using successor = await openQueue({ url: server.url, zone, queue: settings });
    await successor.recover(noRecords);
    expect(headIds(successor)).toEqual(headIds(queue));

    queue.admit(id);
    await recordEnds(server.url, zone, [id]);
    await expect(queue.finish(id, "succeeded")).rejects.toThrow(/lock/i);
    expect((await queue.openCounts()).get("acme")).toBe(4);
    expect(await queue.renewLocks()).toBe(0);
    expect(queue.heads()).toEqual([]);
    expect(await successor.renewLocks()).toBe(4);
    successor.admit(id);
    expect(await queue.cancelWaiting(id)).toBe(false);
    expect(await successor.cancelWaiting(id)).toBe(false);
  });
});

describe("a Redis that came back older than the record by which somebody ends a guest", () => {
  it("I4: keeps the guest, wherever it is, and it waits again", async () => {
    const ids = await submitAll(queue, many(12));
    await queue.refill();
    const [runs, head] = ids as [string, string];
    const inLane = ids.at(-1)!;
    queue.admit(runs);
    const records = zoneKeys(zone).guests;
    await redis.hset(records, runs, JSON.stringify({ state: "running", endedAtMs: null }));
    for (const id of [runs, head, inLane]) expect(await queue.finish(id, "succeeded")).toBe(false);
    for (const id of [head, inLane]) expect(await queue.cancelWaiting(id)).toBe(false);
    expect(await queue.openCounts()).toEqual(new Map([["acme", 12]]));

    await queue.putBack(runs, { evictions: 0, workedMs: 0, delayMs: 0 });
    const seen: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      await queue.refill();
      for (const id of headIds(queue)) if (queue.admit(id)) seen.push(id);
    }
    expect(seen).toEqual(ids);
  });

  it("I4: leaves the guest to the next leader, which finds it", async () => {
    const [id] = (await submitAll(queue, many(1))) as [string];
    await queue.refill();
    queue.admit(id);
    expect(await queue.finish(id, "succeeded")).toBe(false);
    await restart();
    expect(await queue.recover(noRecords)).toMatchObject({ waiting: 1, finished: 0 });
    expect(headIds(queue)).toEqual([id]);
  });
});

describe("locks", () => {
  it("I3: a guest whose lock expired is not run again by itself, and can still be renewed and finished", async () => {
    await queue.close();
    const short = { ...settings, lockMs: 50, lockRenewMs: 25 };
    queue = await openQueue({ url: server.url, zone, queue: short });
    await queue.recover(noRecords);
    const [id] = (await submitAll(queue, many(1))) as [string];
    await queue.refill();
    queue.admit(id);
    const lock = `${queueKeys(zone).jobs}:${laneIdOf(id)}:${id}:lock`;
    await vi.waitFor(async () => expect(await redis.exists(lock)).toBe(0));

    await queue.refill();
    expect(await queue.reconcile()).toMatchObject({ adopted: 0 });
    expect(headIds(queue)).toEqual([]);
    expect(await redis.lrange(`${queueKeys(zone).jobs}:${laneIdOf(id)}:active`, 0, -1)).toEqual([id]);
    expect(await queue.renewLocks()).toBe(1);
    expect(await redis.exists(lock)).toBe(1);
    await vi.waitFor(async () => expect(await redis.exists(lock)).toBe(0));
    await recordEnds(server.url, zone, [id]);
    await queue.finish(id, "succeeded");
    expect(await redis.zrange(`${queueKeys(zone).jobs}:${laneIdOf(id)}:completed`, "0", "-1")).toEqual([id]);
    expect(await queue.openCounts()).toEqual(new Map());
  });
});

describe("reconcile", () => {
  it("adopts a guest whose claim was answered into a broken connection", async () => {
    const [id] = (await submitAll(queue, many(1))) as [string];
    const lane = new Worker(laneIdOf(id), null, {
      connection: redis,
      prefix: queueKeys(zone).jobs,
      autorun: false,
    });
    expect((await lane.getNextJob("lost", { block: false }))?.id).toBe(id);
    await lane.close();
    await queue.refill();
    expect(headIds(queue)).toEqual([]);
    expect(await queue.reconcile()).toMatchObject({ adopted: 1 });
    expect(headIds(queue)).toEqual([id]);
    expect(await queue.renewLocks()).toBe(1);
  });

  it("forgets ended guests beyond the retention, with their keys, and at last the lane", async () => {
    const submissions = Array.from({ length: 5 }, (_, i) => ({
      spec: guestSpec({ name: `${i}` }),
      idempotencyKey: `k${i}`,
    }));
    const ids = (await queue.submit(submissions)).map((outcome) => ("created" in outcome ? outcome.id : ""));
    await queue.refill();
    await recordEnds(server.url, zone, ids);
    await queue.finish(ids[0]!, "succeeded");
    await queue.finish(ids[1]!, "failed");
    letPass(1); // which of those that ended in the same ms goes first is not said
    for (const id of ids.slice(2)) await queue.cancelWaiting(id);
    expect((await queue.submit([submissions[0]!]))[0]).toMatchObject({ id: ids[0], created: false });

    expect(await queue.reconcile()).toMatchObject({ trimmed: 2 });
    expect(await queue.get(ids[0]!)).toBeNull();
    expect((await queue.get(ids[2]!))?.id).toBe(ids[2]);
    const kept = await queue.list({ tenant: "acme", afterSequence: 0, limit: 10 });
    expect(kept.map(({ id }) => id)).toEqual(ids.slice(2));

    letPass(8 * 24 * 3_600_000);
    expect(await queue.reconcile()).toMatchObject({ trimmed: 3 });
    expect(await queue.list({ tenant: "", afterSequence: 0, limit: 10 })).toEqual([]);
    const left = await redis.keys(`gleaner:{${zone}}:queue*`);
    expect(left).toEqual([`${queueKeys(zone).index}:sequence`]);
    expect((await queue.submit([submissions[0]!]))[0]).toMatchObject({ created: true });
  });

  describe("after a submitter that died between admission and jobs", () => {
    const submission = { spec: guestSpec(), idempotencyKey: "k" };
    beforeEach(async () => {
      // BullMQ stores a job by HMSET, which nothing else of ours uses.
      await redis.acl("SETUSER", "default", "-hmset");
      await expect(queue.submit([submission])).rejects.toThrow();
      await redis.acl("SETUSER", "default", "+hmset");
    });
    afterEach(() => redis.acl("SETUSER", "default", "+hmset"));

    it("a guest that was never acknowledged is not listed, and is gone after a minute", async () => {
      expect(await queue.list({ tenant: "", afterSequence: 0, limit: 10 })).toEqual([]);
      expect(await queue.reconcile()).toMatchObject({ leftovers: 0 });
      expect((await queue.openCounts()).get("acme")).toBe(1);
      letPass(61_000);
      expect(await queue.reconcile()).toMatchObject({ leftovers: 1 });
      expect(await queue.openCounts()).toEqual(new Map());
      expect((await queue.submit([submission]))[0]).toMatchObject({ created: true });
    });

    it("a retry with its key completes it, and clearing up leaves it alone then", async () => {
      const [outcome] = await queue.submit([submission]);
      expect(outcome).toMatchObject({ created: false, spec: submission.spec });
      letPass(61_000);
      expect(await queue.reconcile()).toMatchObject({ leftovers: 1 });
      await queue.refill();
      expect(headIds(queue)).toEqual(["created" in outcome! ? outcome.id : ""]);
      expect((await queue.openCounts()).get("acme")).toBe(1);
    });
  });
});

describe("scale and faults", () => {
  it("1,000 lanes need 2 connections and no timer of their own", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const specs = Array.from({ length: 1_000 }, (_, i) =>
      guestSpec({ tenant: `t${i % 50}`, priority: Math.floor(i / 50) }),
    );
    await submitAll(queue, specs);
    await queue.refill();
    expect(queue.heads()).toHaveLength(1_000);
    expect(timers()).toBeLessThanOrEqual(before);
    const clients = String(await redis.client("LIST")).split("\n");
    expect(clients.filter((line) => line.includes(zone))).toHaveLength(2);
    expect(clients.filter((line) => line.includes("blocked") || /cmd=(b[rlz]|xread)/.test(line))).toEqual([]);
  });

  it("I4: accepted guests outlive the death of Redis, and the queue goes on by itself", async () => {
    const ids = await submitAll(queue, many(6));
    await queue.refill();
    process.kill(server.pid, "SIGKILL");
    await vi.waitFor(async () => expect(await queue.renewLocks()).toBe(6), { timeout: 20_000, interval: 50 });
    const [late] = await submitAll(queue, many(1));
    await queue.refill();
    expect(headIds(queue)).toEqual([...ids, late]);
    await recordEnds(server.url, zone, [ids[0]!]);
    await queue.finish(ids[0]!, "succeeded");
    expect((await queue.openCounts()).get("acme")).toBe(6);
  });
});
