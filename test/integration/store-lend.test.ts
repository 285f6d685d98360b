import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { settlement, takeLead, TestBooks } from "../support/lease-books.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const share = (sharePermille: number, memoryMib = 0, device = "gpu-0") => ({
  device,
  sharePermille,
  memoryMib,
});

describe("lend", () => {
  it("gives a lease, the guest's record and the ledger's events in one", async () => {
    await using books = await TestBooks.open(redis.url);
    const grants = [share(1_000, 512, "gpu-0"), share(1_000, 512, "gpu-1")];
    const lease = await books.lent({ guestId: "g", grants });
    expect(lease).toMatchObject({
      id: "g:1",
      attempt: 1,
      state: "starting",
      token: { generation: 1, number: 1 },
      lentAtMs: 100,
      step: 0,
      grants,
    });
    expect(await books.store.liveLeases()).toMatchObject([{ id: "g:1", grants }]);
    expect((await books.store.guestRecords(["g", "fresh"])).get("g")).toEqual({
      tenant: "acme",
      state: "starting",
      stateSinceMs: 100,
      attempts: 1,
      failures: 0,
      evictions: 0,
      workedMs: 0,
      usefulMs: 0,
      lostMs: 0,
      liveLease: "g:1",
      cancelReason: null,
      host: "node-1",
      endedAtMs: null,
      exitCode: null,
      reason: "the window fits",
    });
    expect((await books.store.guestRecords(["fresh"])).size).toBe(0);
    const decision = {
      type: "decision",
      kind: "lend",
      guestId: "g",
      leaseId: "g:1",
      reasonCode: "fits",
      forecastHash: "h",
    };
    expect(await books.events()).toMatchObject([
      {
        type: "lent",
        atMs: 100,
        leaseId: "g:1",
        tenant: "acme",
        attempt: 1,
        grants,
        reason: "the window fits",
      },
      { ...decision, device: "gpu-0" },
      { ...decision, device: "gpu-1" },
    ]);
  });

  it("I1: refuses a share beyond the device, and memory beyond what may be lent of it", async () => {
    await using books = await TestBooks.open(redis.url);
    const memoryLendableMib = [1_000];
    await books.lent({ guestId: "a", grants: [share(600, 700)], memoryLendableMib });
    expect(await books.lend({ guestId: "b", grants: [share(401, 1)], memoryLendableMib })).toEqual({
      refused: "share_taken",
    });
    expect(await books.lend({ guestId: "b", grants: [share(400, 301)], memoryLendableMib })).toEqual({
      refused: "memory_taken",
    });
    await books.lent({ guestId: "b", grants: [share(400, 300)], memoryLendableMib });
    expect(await books.lend({ guestId: "c", grants: [share(1)] })).toEqual({ refused: "share_taken" });
  });

  it("I1: refuses a gang whole when one of its devices is taken", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.lent({ guestId: "a", grants: [share(1, 0, "gpu-1")] });
    const grants = [share(1_000, 0, "gpu-0"), share(1_000, 0, "gpu-1")];
    expect(await books.lend({ guestId: "b", grants })).toEqual({ refused: "share_taken" });
    await books.lent({ guestId: "c", grants: [share(1_000, 0, "gpu-0")] });
  });

  it("refuses to let two trust groups share a device", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.lent({ guestId: "a", grants: [share(500)], trustGroup: "one" });
    expect(await books.lend({ guestId: "b", grants: [share(500)], trustGroup: "two" })).toEqual({
      refused: "trust_mismatch",
    });
    await books.lent({ guestId: "b", grants: [share(500)], trustGroup: "one" });
  });

  it("I2: gives each token larger than every one before it, over generations and leaders", async () => {
    await using books = await TestBooks.open(redis.url);
    const first = await books.lent({ guestId: "a" });
    await books.step(first, { step: 1, state: "released", settlement: settlement("evicted") });
    const second = await books.lent({ guestId: "a" });
    expect(second.token).toEqual({ generation: 1, number: 2 });
    await books.step(second, { step: 1, state: "released", settlement: settlement("evicted") });
    expect(await books.store.raiseGeneration(4)).toBe(5);
    expect(await books.store.raiseGeneration(4)).toBe(5);
    expect(await books.store.raiseGeneration(2)).toBe(5);
    const { epoch, generation } = await takeLead(books.store, 2);
    expect({ epoch, generation }).toEqual({ epoch: 2, generation: 5 });
    books.epoch = epoch;
    expect((await books.lent({ guestId: "a" })).token).toEqual({ generation: 5, number: 3 });
  });

  it("I2: refuses a leader that was deposed, in every script, and changes nothing", async () => {
    await using books = await TestBooks.open(redis.url);
    const lease = await books.lent({ guestId: "a" });
    await using other = await TestBooks.open(redis.url);
    await books.redis.hset(`gleaner:{${books.zone}}:lead`, "epoch", books.epoch + 1);
    const before = await books.events();
    expect(await books.lend({ guestId: "b", grants: [share(1_000, 0, "gpu-1")] })).toEqual({
      refused: "stale_epoch",
    });
    expect(await books.step(lease, { step: 1, state: "running" })).toEqual({
      applied: false,
      why: "stale_epoch",
    });
    const lost = { code: "LEADERSHIP_LOST" };
    await expect(books.store.cancel("c", "acme", "", 1)).rejects.toMatchObject(lost);
    await expect(books.store.renew([])).rejects.toMatchObject(lost);
    await expect(books.store.setQuarantine("gpu-0", "why", 1, "black_hole")).rejects.toMatchObject(lost);
    await expect(books.store.raiseGeneration(1)).rejects.toMatchObject(lost);
    expect(await books.events()).toEqual(before);
    expect(await other.events()).toEqual([]);
    expect(await books.store.liveLeases()).toMatchObject([{ id: "a:1", state: "starting" }]);
  });

  it("I2: tells a leader that was deposed by whatever answer comes first, and only once it leads no more", async () => {
    await using books = await TestBooks.open(redis.url);
    const asks: Record<string, (epoch: number) => Promise<unknown>> = {
      lend: (epoch) => books.lend({ guestId: "b", epoch, grants: [share(1, 0, "gpu-1")] }),
      step: () => books.step(lease, { step: 1, state: "running" }),
      renew: () => books.store.renew([]),
      cancel: () => books.store.cancel("c", "acme", "", 1),
      quarantine: () => books.store.setQuarantine("gpu-0", "why", 1, "black_hole"),
      raise: () => books.store.raiseGeneration(1),
    };
    const lease = await books.lent({ guestId: "a" });
    for (const [name, ask] of Object.entries(asks)) {
      const { epoch, lost } = await takeLead(books.store, 2);
      expect(await books.lend({ guestId: "b", epoch: epoch - 1 })).toEqual({ refused: "stale_epoch" });
      expect(lost.aborted).toBe(false);
      await books.redis.hset(`gleaner:{${books.zone}}:lead`, "epoch", epoch + 1);
      await ask(epoch).catch(() => {});
      expect({ name, reason: lost.reason as unknown }).toMatchObject({
        name,
        reason: { code: "LEADERSHIP_LOST", details: { epoch } },
      });
    }
  });

  it("I2: leads on under an epoch above the one that it is told of, also for what is asked meanwhile", async () => {
    await using books = await TestBooks.open(redis.url);
    const raised = books.store.raiseGeneration(1, 7);
    books.epoch = books.store.epoch;
    const lent = books.lent({ guestId: "a" });
    expect(await raised).toBe(2);
    expect(await lent).toMatchObject({ epoch: 8, token: { generation: 2 } });
    expect(await books.store.renew(["a:1"])).toEqual(new Set(["a:1"]));
    expect((await takeLead(books.store, 2)).epoch).toBe(9);
  });

  it("I2: takes a Redis that came back older for another leader's", async () => {
    await using books = await TestBooks.open(redis.url);
    await takeLead(books.store, 2);
    const { epoch } = await takeLead(books.store, 3);
    books.epoch = epoch;
    await books.redis.hset(`gleaner:{${books.zone}}:lead`, "epoch", 1);
    expect(await books.lend({ guestId: "a" })).toEqual({ refused: "stale_epoch" });
    expect((await takeLead(books.store, 4)).epoch).toBeGreaterThan(epoch);
  });

  it("I3: refuses a guest that has a live lease, and one that has ended", async () => {
    await using books = await TestBooks.open(redis.url);
    const lease = await books.lent({ guestId: "a" });
    const elsewhere = [share(1_000, 0, "gpu-1")];
    expect(await books.lend({ guestId: "a", grants: elsewhere })).toEqual({ refused: "guest_has_lease" });
    await books.step(lease, { step: 1, state: "released", settlement: settlement("done", { exitCode: 0 }) });
    expect(await books.lend({ guestId: "a", grants: elsewhere })).toEqual({ refused: "guest_ended" });
  });

  it("I3: lends one of two requests for the same guest in one batch", async () => {
    await using books = await TestBooks.open(redis.url);
    const twice = [
      books.request({ guestId: "a" }),
      books.request({ guestId: "a", grants: [share(1_000, 0, "gpu-1")] }),
    ];
    expect(await books.store.lend(twice, 1)).toMatchObject([
      { lent: { id: "a:1" } },
      { refused: "guest_has_lease" },
    ]);
  });

  it("I10: refuses a device until every cause of its quarantine is lifted", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.store.setQuarantine("gpu-0", "black hole", 1, "black_hole");
    await books.store.setQuarantine("gpu-0", "black hole", 2, "black_hole");
    await books.store.setQuarantine("gpu-0", "taken out", 3, "operator");
    const causes = new Map([
      ["black_hole", { reason: "black hole", sinceMs: 1 }],
      ["operator", { reason: "taken out", sinceMs: 3 }],
    ]);
    expect(await books.store.quarantines()).toEqual(new Map([["gpu-0", causes]]));
    expect(await books.lend({ guestId: "a" })).toEqual({ refused: "quarantined" });
    await books.store.setQuarantine("gpu-0", null, 4, "black_hole");
    expect(await books.lend({ guestId: "a" })).toEqual({ refused: "quarantined" });
    await books.store.setQuarantine("gpu-0", null, 5, "operator");
    await books.lent({ guestId: "a" });
    expect((await books.events()).filter(({ type }) => type === "quarantine")).toEqual([
      { type: "quarantine", atMs: 1, device: "gpu-0", reason: "black hole" },
      { type: "quarantine", atMs: 3, device: "gpu-0", reason: "taken out" },
      { type: "quarantine", atMs: 5, device: "gpu-0", reason: null },
    ]);
  });

  it("I11: lends nothing while the ledger's stream is full, and still books the steps of what is lent", async () => {
    await using books = await TestBooks.open(redis.url, { streamEntriesMax: 2 });
    const lease = await books.lent({ guestId: "a" });
    expect(await books.ledger.isFull()).toBe(true);
    expect(await books.lend({ guestId: "b", grants: [share(1_000, 0, "gpu-1")] })).toEqual({
      refused: "ledger_full",
    });
    await expect(books.ledger.append([{ type: "alive", atMs: 1 }])).rejects.toMatchObject({
      code: "LEDGER_FULL",
    });
    expect(await books.step(lease, { step: 1, state: "running" })).toMatchObject({ applied: true });
    expect(await books.ledger.length()).toBe(3);
  });

  it("refuses grants that no script could sum", async () => {
    await using books = await TestBooks.open(redis.url);
    const defect = { code: "INTERNAL" };
    await expect(books.lend({ guestId: "a", grants: [] })).rejects.toMatchObject(defect);
    await expect(books.lend({ guestId: "a", grants: [share(1), share(1)] })).rejects.toMatchObject(defect);
    await expect(books.lend({ guestId: "a", grants: [share(1_001)] })).rejects.toMatchObject(defect);
    await expect(books.lend({ guestId: "a", grants: [share(0.5)] })).rejects.toMatchObject(defect);
  });
});

describe("renew", () => {
  it("tells which leases live in the books", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.lent({ guestId: "a" });
    expect(await books.store.renew(["a:1", "b:1"])).toEqual(new Set(["a:1"]));
    const many = Array.from({ length: 2_500 }, (_, index) => `none:${index}`);
    expect(await books.store.renew([...many, "a:1"])).toEqual(new Set(["a:1"]));
  });
});
