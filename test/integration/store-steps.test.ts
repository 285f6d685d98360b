import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leaseTransitions, type LeaseState } from "../../src/core/lease.ts";
import { settlement, stepOf, TestBooks } from "../support/lease-books.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const states = Object.keys(leaseTransitions) as LeaseState[];
const isFinal = (state: LeaseState) => state === "released" || state === "quarantined";

describe("applySteps", () => {
  it("applies a step once, with its event", async () => {
    await using books = await TestBooks.open(redis.url);
    const lease = await books.lent({ guestId: "g" });
    const step = stepOf(lease, {
      step: 3,
      state: "paused",
      mover: "activity",
      signalToStepMs: 2.125,
      recallId: "r",
      detail: "d",
    });
    const [first, second, older] = await books.store.applySteps([
      step,
      step,
      { ...step, step: 2, state: "running" },
    ]);
    expect(first).toMatchObject({
      applied: true,
      guestState: "paused",
      record: { state: "paused", liveLease: "g:1" },
    });
    expect(second).toEqual({ applied: false, why: "repeated" });
    expect(older).toEqual({ applied: false, why: "repeated" });
    expect((await books.events()).filter(({ type }) => type === "step")).toEqual([
      {
        type: "step",
        atMs: 200,
        leaseId: "g:1",
        state: "paused",
        mover: "activity",
        detail: "d",
        signalToStepMs: 2.125,
        recallId: "r",
        settlement: null,
      },
    ]);
    expect(await books.store.liveLeases()).toMatchObject([
      { id: "g:1", state: "paused", stateSinceMs: 200, step: 3 },
    ]);
  });

  it.each(states)("follows the core's transition table out of %s", async (from) => {
    await using books = await TestBooks.open(redis.url);
    for (const to of states) {
      const device = `gpu-${to}`;
      const lease = await books.lent({
        guestId: `g-${to}`,
        grants: [{ device, sharePermille: 1, memoryMib: 0 }],
      });
      if (from !== "starting")
        await books.step(lease, {
          step: 1,
          state: from,
          settlement: isFinal(from) ? settlement("evicted") : null,
        });
      const result = await books.step(lease, {
        step: 2,
        state: to,
        settlement: isFinal(to) ? settlement("evicted") : null,
      });
      const refused = from === "released" ? "repeated" : "bad_transition";
      expect([to, result]).toMatchObject([
        to,
        leaseTransitions[from][to] ? { applied: true } : { why: refused },
      ]);
    }
  });

  it("I2: refuses another token, and a lease that the books do not know", async () => {
    await using books = await TestBooks.open(redis.url);
    const lease = await books.lent({ guestId: "g" });
    const older = { ...lease, token: { generation: 0, number: 1 } };
    expect(await books.step(older, { step: 1, state: "running" })).toEqual({
      applied: false,
      why: "stale_token",
    });
    const unknown = { ...lease, id: "g:2" };
    expect(await books.step(unknown, { step: 1, state: "running" })).toEqual({
      applied: false,
      why: "unknown_lease",
    });
  });

  it("refuses the end of a live lease without a settlement", async () => {
    await using books = await TestBooks.open(redis.url);
    const lease = await books.lent({ guestId: "g" });
    expect(await books.step(lease, { step: 1, state: "released" })).toEqual({
      applied: false,
      why: "bad_transition",
    });
    expect(await books.store.liveLeases()).toHaveLength(1);
  });

  it("I9: counts evictions, never failures, for evicted, lost and checkpointed attempts", async () => {
    await using books = await TestBooks.open(redis.url);
    for (const [attempt, outcome] of (["evicted", "lost", "checkpointed", "evicted"] as const).entries()) {
      const lease = await books.lent({ guestId: "g" });
      expect(lease.id).toBe(`g:${attempt + 1}`);
      const end = {
        step: 1,
        state: "released",
        settlement: settlement(outcome, { exitCode: outcome === "checkpointed" ? 85 : null }),
        retries: 0,
        evictionsMax: 4,
      } as const;
      expect(await books.step(lease, end)).toMatchObject({
        applied: true,
        guestState: "waiting",
        record: { failures: 0 },
      });
    }
    const record = (await books.store.guestRecords(["g"])).get("g");
    expect(record).toMatchObject({
      attempts: 4,
      evictions: 4,
      workedMs: 40,
      usefulMs: 24,
      lostMs: 16,
      liveLease: "",
    });
  });

  it.each(["evicted", "lost", "checkpointed"] as const)(
    "I9, I11: ends a guest whose attempts were %s more often than allowed, and says so",
    async (outcome) => {
      await using books = await TestBooks.open(redis.url);
      const exitCode = outcome === "checkpointed" ? 85 : null;
      const end = {
        step: 1,
        state: "released",
        settlement: settlement(outcome, { exitCode }),
        evictionsMax: 1,
      } as const;
      await books.step(await books.lent({ guestId: "g" }), end);
      expect(await books.step(await books.lent({ guestId: "g" }), end)).toMatchObject({
        guestState: "failed",
        record: {
          failures: 0,
          evictions: 2,
          reason: "evicted or left 2 times; at most 1 are allowed",
          endedAtMs: 200,
        },
      });
    },
  );

  it("I9: counts an attempt that was put back before it began against nobody", async () => {
    await using books = await TestBooks.open(redis.url);
    const end = {
      step: 1,
      state: "released",
      settlement: settlement("checkpointed", { exitCode: null }),
      evictionsMax: 0,
    } as const;
    for (let attempt = 0; attempt < 3; attempt++)
      expect(await books.step(await books.lent({ guestId: "g" }), end)).toMatchObject({
        guestState: "waiting",
        record: { failures: 0, evictions: 0 },
      });
  });

  it.each([
    ["done", 0, "succeeded"],
    ["cancelled", null, "cancelled"],
    ["failed", 1, "failed"],
  ] as const)(
    "ends a guest whose attempt was %s for good, with one event",
    async (outcome, exitCode, state) => {
      await using books = await TestBooks.open(redis.url);
      const lease = await books.lent({ guestId: "g" });
      const end = {
        step: 1,
        state: "released",
        detail: "why",
        settlement: settlement(outcome, { exitCode }),
      } as const;
      const result = await books.step(lease, end);
      expect(result).toMatchObject({
        applied: true,
        guestState: state,
        record: { exitCode, endedAtMs: 200, reason: "why" },
      });
      expect(await books.step(lease, end)).toEqual({ applied: false, why: "repeated" });
      expect((await books.events()).filter(({ type }) => type === "guest")).toEqual([
        { type: "guest", atMs: 200, guestId: "g", tenant: "acme", state, reason: "why" },
      ]);
    },
  );

  it("puts a failed guest back while it has retries", async () => {
    await using books = await TestBooks.open(redis.url);
    const end = { step: 1, state: "released", settlement: settlement("failed"), retries: 1 } as const;
    expect(await books.step(await books.lent({ guestId: "g" }), end)).toMatchObject({
      guestState: "waiting",
    });
    expect(await books.step(await books.lent({ guestId: "g" }), end)).toMatchObject({
      guestState: "failed",
      record: { failures: 2 },
    });
  });

  it("I10: keeps the devices of a lease without a proof out of use until the proof comes, and settles once", async () => {
    await using books = await TestBooks.open(redis.url);
    const grants = ["gpu-0", "gpu-1"].map((device) => ({ device, sharePermille: 1_000, memoryMib: 0 }));
    const lease = await books.lent({ guestId: "g", grants });
    const end = {
      step: 1,
      state: "quarantined",
      detail: "memory not free",
      settlement: settlement("lost"),
    } as const;
    expect(await books.step(lease, end)).toMatchObject({ applied: true, guestState: "waiting" });
    const causes = new Map([["g:1", { reason: "memory not free", sinceMs: 200 }]]);
    expect(await books.store.quarantines()).toEqual(
      new Map([
        ["gpu-0", causes],
        ["gpu-1", causes],
      ]),
    );
    expect(await books.store.liveLeases()).toEqual([]);
    expect(await books.store.unprovenLeases()).toMatchObject([{ id: "g:1", state: "quarantined" }]);
    expect(await books.lend({ guestId: "h", grants })).toEqual({ refused: "quarantined" });
    expect(
      await books.step(lease, { step: 2, state: "released", settlement: settlement("lost") }),
    ).toMatchObject({
      applied: true,
      record: { evictions: 1, lostMs: 4 },
    });
    expect(await books.store.quarantines()).toEqual(new Map());
    expect(await books.store.unprovenLeases()).toEqual([]);
    await books.lent({ guestId: "h", grants });
  });
});

describe("cancel", () => {
  it("I4: ends a guest that waits, once, and is a terminal state for good", async () => {
    await using books = await TestBooks.open(redis.url);
    const ended = await books.store.cancel("g", "acme", "not needed", 50);
    expect(ended).toMatchObject({ state: "cancelled", tenant: "acme", endedAtMs: 50 });
    expect(await books.store.cancel("g", "acme", "again", 60)).toEqual(ended);
    expect(await books.events()).toEqual([
      { type: "guest", atMs: 50, guestId: "g", tenant: "acme", state: "cancelled", reason: "not needed" },
    ]);
    expect(await books.lend({ guestId: "g" })).toEqual({ refused: "guest_ended" });
  });

  it.for(["evicted", "lost", "checkpointed", "failed"] as const)(
    "I4: a guest with a live lease ends with it and never runs again, though the attempt was %s",
    async (outcome) => {
      await using books = await TestBooks.open(redis.url);
      const lease = await books.lent({ guestId: "g" });
      const wished = await books.store.cancel("g", "acme", "not needed", 50);
      expect(wished).toMatchObject({ state: "starting", endedAtMs: null, cancelReason: "not needed" });
      expect(await books.store.cancel("g", "acme", "again", 60)).toEqual(wished);
      const end = { step: 1, state: "released", settlement: settlement(outcome), retries: 3 } as const;
      expect(await books.step(lease, end)).toMatchObject({
        applied: true,
        record: { state: "cancelled", reason: "not needed" },
      });
      expect(await books.lend({ guestId: "g" })).toEqual({ refused: "guest_ended" });
    },
  );

  it("leaves the success to a guest that was done first", async () => {
    await using books = await TestBooks.open(redis.url);
    const lease = await books.lent({ guestId: "g" });
    await books.store.cancel("g", "acme", "not needed", 50);
    const end = { step: 1, state: "released", settlement: settlement("done") } as const;
    expect(await books.step(lease, end)).toMatchObject({ record: { state: "succeeded" } });
  });

  it("I11: forgets the oldest ended guests beyond the bounds of number and age", async () => {
    await using books = await TestBooks.open(redis.url, { endedKeptMax: 3, endedKeptMs: 1_000 });
    const ids = ["a", "b", "c", "d", "e"];
    for (const [index, id] of ids.entries()) await books.store.cancel(id, "acme", "", index);
    expect([...(await books.store.guestRecords(ids)).keys()]).toEqual(["c", "d", "e"]);
    await books.store.cancel("f", "acme", "", 5_000);
    expect([...(await books.store.guestRecords([...ids, "f"])).keys()]).toEqual(["e", "f"]);
  });
});
