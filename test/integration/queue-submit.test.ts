import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { GleanerError } from "../../src/errors/gleaner-error.ts";
import type { GuestQueue } from "../../src/queue/guest-queue.ts";
import { guestSpec, headIds, noRecords, openQueue, recordEnds, submitAll } from "../support/queue.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let zone: string;
let queue: GuestQueue;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  zone = freshZone();
  queue = await openQueue({ url: redis.url, zone, queue: { openPerTenantMax: 5, openMax: 12 } });
});
afterEach(() => queue.close());

describe("submitting", () => {
  it("answers in order with growing sequences, and get finds each by its id alone", async () => {
    const specs = ["a", "b", "c"].map((name, i) =>
      guestSpec({ name, priority: 10 * i, tenant: `tenant-${i}` }),
    );
    const outcomes = await queue.submit(specs.map((spec) => ({ spec, idempotencyKey: "" })));

    expect(outcomes).toMatchObject(specs.map((spec) => ({ spec, created: true })));
    const sequences = outcomes.map((outcome) => ("created" in outcome ? outcome.sequence : NaN));
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    expect(new Set(sequences).size).toBe(3);
    for (const outcome of outcomes) {
      if ("refused" in outcome) throw outcome.refused;
      const { created: _, ...guest } = outcome;
      expect(await queue.get(outcome.id)).toEqual(guest);
    }
  });

  it("finds nothing under an id that nobody has, however it looks", async () => {
    expect(await queue.get("aaaaaaaaaa-bbbbbbbbbbbb")).toBeNull();
    expect(await queue.get("../:*")).toBeNull();
    expect(await queue.get("")).toBeNull();
  });

  it("I11: refuses what is over the tenant's limit and accepts the rest of the batch", async () => {
    await submitAll(
      queue,
      Array.from({ length: 3 }, () => guestSpec()),
    );
    const outcomes = await queue.submit(
      [guestSpec(), guestSpec(), guestSpec(), guestSpec({ tenant: "other" })].map((spec) => ({
        spec,
        idempotencyKey: "",
      })),
    );

    expect(outcomes.map((outcome) => "created" in outcome)).toEqual([true, true, false, true]);
    const refusal = "refused" in outcomes[2]! ? outcomes[2].refused : null;
    expect(refusal?.code).toBe("QUEUE_FULL");
    expect(refusal?.details).toEqual({ tenant: "acme", count: 5, countMax: 5 });
    expect(await queue.openCounts()).toEqual(
      new Map([
        ["acme", 5],
        ["other", 1],
      ]),
    );
  });

  it("I11: refuses what is over the zone's limit, whosever it is, and takes it when others have ended", async () => {
    await queue.recover(noRecords);
    const five = (tenant: string) => Array.from({ length: 5 }, () => guestSpec({ tenant }));
    const [first] = await submitAll(queue, [...five("a"), ...five("b")]);
    const submissions = five("c").map((spec) => ({ spec, idempotencyKey: "" }));
    const outcomes = await queue.submit(submissions);
    expect(outcomes.map((outcome) => ("refused" in outcome ? outcome.refused.code : "taken"))).toEqual([
      "taken",
      "taken",
      "ZONE_FULL",
      "ZONE_FULL",
      "ZONE_FULL",
    ]);
    await expect(submitAll(queue, [guestSpec({ tenant: "d" })])).rejects.toMatchObject({
      details: { count: 12, countMax: 12 },
    });
    await recordEnds(redis.url, zone, [first!]);
    await queue.finish(first!, "cancelled");
    await submitAll(queue, [guestSpec({ tenant: "d" })]);
  });

  it("takes new guests once old ones have ended", async () => {
    await queue.recover(noRecords);
    const ids = await submitAll(
      queue,
      Array.from({ length: 5 }, () => guestSpec()),
    );
    await recordEnds(redis.url, zone, [ids[0]!]);
    await queue.finish(ids[0]!, "cancelled");
    await queue.finish(ids[0]!, "cancelled");
    await submitAll(queue, [guestSpec()]);
    await expect(submitAll(queue, [guestSpec()])).rejects.toMatchObject({ code: "QUEUE_FULL" });
  });

  it("wakes the listener after guests were accepted, not after refusals only", async () => {
    let woken = 0;
    queue.onSubmitted(() => (woken += 1));
    await submitAll(
      queue,
      Array.from({ length: 5 }, () => guestSpec()),
    );
    expect(woken).toBe(1);
    await queue.submit([{ spec: guestSpec(), idempotencyKey: "" }]);
    expect(woken).toBe(1);
  });

  it("I11: refuses with SUBMIT_BACKLOG_FULL what would make the buffer grow without end", async () => {
    const call = Array.from({ length: 1_000 }, () => ({ spec: guestSpec(), idempotencyKey: "" }));
    const results = await Promise.allSettled(Array.from({ length: 25 }, () => queue.submit(call)));
    const refused = results.filter((result) => result.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect((reason as GleanerError).code).toBe("SUBMIT_BACKLOG_FULL");
    expect((await queue.openCounts()).get("acme")).toBe(5);
  });

  it("keeps the order of arrival among single calls that are gathered into flushes", async () => {
    await queue.close();
    queue = await openQueue({ url: redis.url, zone, queue: { headsPerLane: 1_000 } });
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        queue.submit([{ spec: guestSpec({ name: `${i}` }), idempotencyKey: "" }]),
      ),
    );
    const ids = outcomes.flat().map((outcome) => ("created" in outcome ? outcome.id : ""));
    await queue.recover(noRecords);
    await queue.refill();
    expect(headIds(queue)).toEqual(ids);
  });
});

describe("idempotency", () => {
  const keyed = (key: string, changes = {}) => ({ spec: guestSpec(changes), idempotencyKey: key });

  it("answers a repeated key with the first guest", async () => {
    const [first] = await queue.submit([keyed("k")]);
    const [again] = await queue.submit([keyed("k")]);
    expect(first).toMatchObject({ created: true });
    expect(again).toEqual({ ...first, created: false });
    expect((await queue.openCounts()).get("acme")).toBe(1);
  });

  it("does not mind the order in which a map's entries come", async () => {
    const [first] = await queue.submit([keyed("k", { labels: { a: "1", b: "2" } })]);
    const [again] = await queue.submit([keyed("k", { labels: { b: "2", a: "1" } })]);
    expect(again).toMatchObject({ id: "created" in first! ? first.id : "", created: false });
  });

  it("refuses a key that was used for another specification, naming its guest", async () => {
    const [first] = await queue.submit([keyed("k")]);
    const [other] = await queue.submit([keyed("k", { name: "other" })]);
    const refused = "refused" in other! ? other.refused : null;
    expect(refused?.code).toBe("KEY_REUSED");
    expect(refused?.details).toEqual({ key: "k", id: "created" in first! ? first.id : "" });
  });

  it("keeps the keys of tenants apart", async () => {
    await queue.submit([keyed("k")]);
    const [other] = await queue.submit([keyed("k", { tenant: "other", name: "other" })]);
    expect(other).toMatchObject({ created: true });
  });

  it("makes one guest of many at the same time, in one batch, over calls and over replicas", async () => {
    await using replica = await openQueue({ url: redis.url, zone });
    const calls = Array.from({ length: 40 }, (_, i) =>
      (i % 2 === 0 ? queue : replica).submit([keyed("k"), keyed("k"), keyed("k")]),
    );
    const outcomes = (await Promise.all(calls)).flat();
    expect(outcomes.filter((outcome) => "created" in outcome && outcome.created)).toHaveLength(1);
    expect(new Set(outcomes.map((outcome) => ("created" in outcome ? outcome.id : "refused"))).size).toBe(1);
    expect(await queue.list({ tenant: "acme", afterSequence: 0, limit: 100 })).toHaveLength(1);
  });

  it("knows a key when the tenant is full already", async () => {
    const [first] = await queue.submit([keyed("k")]);
    await submitAll(
      queue,
      Array.from({ length: 4 }, () => guestSpec()),
    );
    expect((await queue.submit([keyed("k")]))[0]).toEqual({ ...first, created: false });
  });
});

describe("listing", () => {
  it("pages through a tenant and the zone in order of submission, each guest once, while new ones come", async () => {
    await queue.close();
    queue = await openQueue({ url: redis.url, zone });
    const specs = Array.from({ length: 25 }, (_, i) =>
      guestSpec({ tenant: i % 2 === 0 ? "acme" : "other", priority: i, name: `${i}` }),
    );
    const ids = await submitAll(queue, specs);

    const seen: string[] = [];
    let afterSequence = 0;
    for (;;) {
      const page = await queue.list({ tenant: "", afterSequence, limit: 10 });
      seen.push(...page.map(({ id }) => id));
      afterSequence = page.at(-1)?.sequence ?? 0;
      if (page.length < 10) break;
      ids.push(...(seen.length === 10 ? await submitAll(queue, [guestSpec({ name: "late" })]) : []));
    }
    expect(seen).toEqual(ids);
    const mine = await queue.list({ tenant: "other", afterSequence: 0, limit: 100 });
    expect(mine.map(({ spec }) => spec.name)).toEqual(
      specs.filter(({ tenant }) => tenant === "other").map(({ name }) => name),
    );
  });
});
