import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { GuestQueue } from "../../src/queue/guest-queue.ts";
import { guestSpec, headIds, noRecords, openQueue, recordEnds, submitAll } from "../support/queue.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let zone: string;
let queue: GuestQueue;
const headsPerLane = 8;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  zone = freshZone();
  queue = await openQueue({ url: redis.url, zone, queue: { headsPerLane } });
  await queue.recover(noRecords);
});
afterEach(async () => {
  vi.useRealTimers();
  await queue.close();
});

/** For us and for BullMQ, which reads the system's clock itself; timers go on as ever. */
function letPass(ms: number): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + ms });
}

const many = (count: number, changes = {}) => Array.from({ length: count }, () => guestSpec(changes));
const back = { evictions: 1, workedMs: 7, delayMs: 0 };

describe("heads", () => {
  it("are the first of every lane, by priority and then by acceptance", async () => {
    const low = await submitAll(queue, many(10, { priority: 10 }));
    const high = await submitAll(queue, many(2, { priority: 90 }));
    const big = await submitAll(
      queue,
      many(3, { shape: { ...guestSpec().shape, devices: 4 }, priority: 10 }),
    );
    await queue.refill();
    expect(headIds(queue)).toEqual([...high, ...low.slice(0, headsPerLane), ...big]);
    expect(queue.waitingTotal()).toBe(15);
  });

  it("stay the same array while nothing changes, and follow at once when something does", async () => {
    const ids = await submitAll(queue, many(3));
    await queue.refill();
    const heads = queue.heads();
    await queue.refill();
    expect(queue.heads()).toBe(heads);
    expect(queue.admit(ids[0]!)).toBe(true);
    expect(headIds(queue)).toEqual(ids.slice(1));
    expect(queue.admit(ids[0]!)).toBe(false);
  });

  it("move up as guests leave", async () => {
    const ids = await submitAll(queue, many(20));
    await queue.refill();
    for (const id of headIds(queue)) queue.admit(id);
    await queue.refill();
    expect(headIds(queue)).toEqual(ids.slice(headsPerLane, 2 * headsPerLane));
  });

  it("a full lane hides none of another's, nor a tenant another's", async () => {
    await submitAll(queue, many(500));
    const [other] = await submitAll(queue, [guestSpec({ tenant: "other" })]);
    await queue.refill();
    expect(headIds(queue)).toContain(other);
  });

  it("I11: never exceed headsMax, and every lane keeps at least one", async () => {
    await queue.close();
    queue = await openQueue({ url: redis.url, zone, queue: { headsPerLane }, headsMax: 40 });
    await queue.recover(noRecords);
    await submitAll(queue, many(100));
    await queue.refill();
    expect(headIds(queue)).toHaveLength(headsPerLane);
    await submitAll(
      queue,
      Array.from({ length: 190 }, (_, i) => guestSpec({ tenant: `t${i % 19}` })),
    );
    await queue.refill();
    await queue.refill();
    expect(queue.heads().length).toBeLessThanOrEqual(40);
    expect(new Set(queue.heads().map(({ spec }) => spec.tenant)).size).toBe(20);
    expect(queue.waitingTotal()).toBe(290);
  });
});

describe("putting back", () => {
  it("keeps the order through random admissions and mass put-backs, and loses nobody", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ admit: fc.nat(40), keep: fc.nat(5), submit: fc.nat(12) }), {
          minLength: 1,
          maxLength: 6,
        }),
        async (rounds) => {
          await queue.close();
          zone = freshZone();
          queue = await openQueue({ url: redis.url, zone, queue: { headsPerLane } });
          await queue.recover(noRecords);
          const waiting = new Set(await submitAll(queue, many(30)));
          const sequence = async (id: string) => (await queue.get(id))!.sequence;
          for (const { admit, keep, submit } of rounds) {
            const running: string[] = [];
            while (running.length < admit && waiting.size > 0) {
              await queue.refill();
              const next = headIds(queue).slice(0, admit - running.length);
              for (const id of next) {
                expect(queue.admit(id)).toBe(true);
                waiting.delete(id);
              }
              running.push(...next);
            }
            await recordEnds(redis.url, zone, running.slice(0, keep));
            for (const id of running.slice(0, keep)) await queue.finish(id, "succeeded");
            for (const id of running.slice(keep).toReversed()) {
              await queue.putBack(id, back);
              waiting.add(id);
            }
            for (const id of await submitAll(queue, many(submit))) waiting.add(id);
            await queue.refill();
            const heads = headIds(queue);
            const inOrder: [number, string][] = await Promise.all(
              [...waiting].map(async (id) => [await sequence(id), id]),
            );
            const wanted = inOrder.toSorted(([a], [b]) => a - b).map(([, id]) => id);
            expect(heads).toEqual(wanted.slice(0, heads.length));
            expect(heads.length).toBeGreaterThanOrEqual(Math.min(headsPerLane, wanted.length));
            expect(heads.length).toBeLessThanOrEqual(2 * headsPerLane);
            expect(queue.waitingTotal()).toBe(wanted.length);
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it("carries evictions and work along, also through the lane", async () => {
    const ids = await submitAll(queue, many(40));
    for (let i = 0; i < 5; i += 1) {
      await queue.refill();
      for (const id of headIds(queue)) queue.admit(id);
    }
    for (const id of ids) await queue.putBack(id, back);
    await queue.refill();
    expect(queue.heads().length).toBe(headsPerLane);
    const seen = new Set<string>();
    while (queue.heads().length > 0) {
      for (const guest of queue.heads()) {
        expect(guest).toMatchObject({ evictions: 1, workedMs: 7 });
        seen.add(guest.id);
        queue.admit(guest.id);
      }
      await queue.refill();
    }
    expect([...seen]).toEqual(ids);
  });

  it("holds a guest back for its back-off, then gives it its old place", async () => {
    const ids = await submitAll(queue, many(4));
    await queue.refill();
    queue.admit(ids[0]!);
    await queue.putBack(ids[0]!, { ...back, delayMs: 60_000 });
    await queue.refill();
    expect(headIds(queue)).toEqual(ids.slice(1));
    expect(queue.waitingTotal()).toBe(4);
    letPass(60_000);
    await queue.refill();
    expect(headIds(queue)).toEqual(ids);
  });

  it("I11: holds only so many back in memory; the rest waits in Redis, and comes when it is time", async () => {
    const count = 4 * headsPerLane;
    const ids = await submitAll(queue, many(count));
    for (let i = 0; i < 4; i += 1) {
      await queue.refill();
      for (const id of headIds(queue)) queue.admit(id);
    }
    for (const id of ids) await queue.putBack(id, { ...back, delayMs: 60_000 });
    await queue.refill();
    expect(queue.heads()).toHaveLength(0);
    expect(queue.waitingTotal()).toBe(count);
    letPass(61_000);
    const seen = new Set<string>();
    for (let i = 0; i < 8; i += 1) {
      await queue.refill();
      for (const id of headIds(queue)) {
        seen.add(id);
        queue.admit(id);
      }
    }
    expect(seen.size).toBe(count);
  });
});

describe("delays", () => {
  it("a guest is no head before its notBefore", async () => {
    const notBeforeMs = Date.now() + 60_000;
    const [later] = await submitAll(queue, [guestSpec({ notBeforeMs })]);
    const [now] = await submitAll(queue, [guestSpec({ notBeforeMs: Date.now() - 5 })]);
    await queue.refill();
    expect(headIds(queue)).toEqual([now]);
    expect(queue.waitingTotal()).toBe(2);
    letPass(60_000);
    await queue.refill();
    expect(headIds(queue)).toEqual([later, now]);
    expect(queue.heads()[0]!.waitingSinceMs).toBe(notBeforeMs);
  });
});

describe("a guest that is told what it waits for", () => {
  it("waits for the others of its lane, though it ran before", async () => {
    const ids = await submitAll(queue, many(40));
    await queue.refill();
    // All of them ran once and came back, more than the lane's share of the heads: the last lie in the lane again.
    for (let at = 0; at < ids.length; at += headsPerLane) {
      for (const id of ids.slice(at, at + headsPerLane)) queue.admit(id);
      await queue.refill();
    }
    for (const id of ids) await queue.putBack(id, back);
    await queue.refill();
    expect(headIds(queue)).toEqual(ids.slice(0, headsPerLane));
    expect(await queue.waitsFor(ids[0]!)).toBe("decision");
    expect(await queue.waitsFor(ids.at(-1)!)).toBe("others");
  });

  it("waits for its back-off, in memory or in its lane, until that has passed", async () => {
    const ids = await submitAll(queue, many(20));
    for (let at = 0; at < ids.length; at += headsPerLane) {
      await queue.refill();
      for (const id of ids.slice(at, at + headsPerLane)) queue.admit(id);
    }
    for (const id of ids) await queue.putBack(id, { ...back, delayMs: 60_000 });
    for (const id of [ids[0]!, ids.at(-1)!]) expect(await queue.waitsFor(id)).toBe("backoff");
    letPass(61_000);
    await queue.refill();
    expect(await queue.waitsFor(ids[0]!)).toBe("decision");
    expect(await queue.waitsFor(ids.at(-1)!)).toBe("others");
  });

  it("waits for the next decision where nobody is before it", async () => {
    const [id] = await submitAll(queue, many(1));
    expect(await queue.waitsFor(id!)).toBe("decision");
  });
});

describe("cancelling", () => {
  it("takes a guest out of the lane, the heads, the back-off and the delay, but not from its device", async () => {
    const ids = await submitAll(queue, many(12));
    const [delayed] = await submitAll(queue, [guestSpec({ notBeforeMs: Date.now() + 60_000 })]);
    await queue.refill();
    const [runs, held, head, ...rest] = ids as [string, string, string, ...string[]];
    queue.admit(runs);
    queue.admit(held);
    await queue.putBack(held, { ...back, delayMs: 60_000 });
    const inLane = rest.at(-1)!;
    expect(headIds(queue)).not.toContain(inLane);

    await recordEnds(redis.url, zone, ids.concat(delayed!));
    expect(await queue.cancelWaiting(runs)).toBe(false);
    for (const id of [held, head, inLane, delayed!]) {
      expect(await queue.cancelWaiting(id)).toBe(true);
      expect(await queue.cancelWaiting(id)).toBe(false);
      expect(await queue.get(id)).not.toBeNull();
    }
    letPass(61_000);
    const seen = new Set<string>();
    for (let i = 0; i < 4; i += 1) {
      await queue.refill();
      for (const id of headIds(queue)) {
        seen.add(id);
        queue.admit(id);
      }
    }
    expect(seen).toEqual(new Set(rest.slice(0, -1)));
    expect(await queue.openCounts()).toEqual(new Map([["acme", 9]]));
    expect(queue.waitingTotal()).toBe(0);
  });

  it("of guests that are being claimed at that moment ends each, and none runs", async () => {
    for (let round = 0; round < 5; round += 1) {
      const ids = await submitAll(queue, many(headsPerLane));
      await recordEnds(redis.url, zone, ids);
      const refilling = queue.refill();
      const cancelled = await Promise.all(ids.map((id) => queue.cancelWaiting(id)));
      await refilling;
      expect(cancelled).toEqual(ids.map(() => true));
      expect(queue.heads()).toHaveLength(0);
    }
    expect(await queue.openCounts()).toEqual(new Map());
  });
});

describe("placeInTenant", () => {
  it("counts the tenant's guests that come first, over all its lanes", async () => {
    const low = await submitAll(queue, many(3, { priority: 10 }));
    const high = await submitAll(queue, many(20, { priority: 90 }));
    await submitAll(queue, many(5, { tenant: "other", priority: 95 }));
    await queue.refill();
    expect(queue.placeInTenant(high[2]!)).toBe(3);
    expect(queue.placeInTenant(low[1]!)).toBe(22);
    expect(queue.placeInTenant(high.at(-1)!)).toBeGreaterThan(headsPerLane);
    expect(queue.placeInTenant("nonsense")).toBe(0);
    queue.admit(high[2]!);
    expect(queue.placeInTenant(high[2]!)).toBe(0);
  });
});
