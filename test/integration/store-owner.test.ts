import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Redis } from "ioredis";
import { policySchema } from "../../src/config/settings.ts";
import { targetCovers, type Hold } from "../../src/core/target.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { OwnerStore, type BusyHint } from "../../src/store/owner-store.ts";
import { TenantUsage } from "../../src/store/tenant-usage.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await startTestRedis();
  redis = await connectRedis(server.url, { name: "test" });
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

const hold = (id: string, expiresAtMs: number | null): Hold => ({
  id,
  target: { kind: "pool", pool: "research", devices: 0 },
  reason: "deadline",
  createdAtMs: 1,
  expiresAtMs,
});

describe("OwnerStore", () => {
  it("keeps holds and hints until they are ended or expire", async () => {
    const store = new OwnerStore(redis, freshZone());
    const forever = hold("a", null);
    const hint: BusyHint = {
      id: "h",
      target: { kind: "devices", uuids: ["gpu-0"] },
      reason: "",
      expiresAtMs: 100,
    };
    await store.putHold(forever);
    await store.putHold(hold("b", 50));
    await store.putHold(hold("b", 100));
    await store.putHint(hint);
    expect(await store.holds(99)).toEqual([forever, hold("b", 100)]);
    expect(await store.hints(99)).toEqual([hint]);
    expect(await store.holds(100)).toEqual([forever]);
    expect(await store.hints(100)).toEqual([]);
    expect(await store.holds(0)).toEqual([forever]);
    expect(await store.removeHold("a")).toBe(true);
    expect(await store.removeHold("a")).toBe(false);
    expect(await store.holds(0)).toEqual([]);
  });

  it("keeps policies", async () => {
    const store = new OwnerStore(redis, freshZone());
    const policy = policySchema.parse({ pool: "research", mode: "lend", meetingsPerGpuDayMax: 2.5 });
    await store.putPolicy(policy);
    expect(await store.policies()).toEqual([policy]);
    await store.removePolicy("research");
    expect(await store.policies()).toEqual([]);
  });

  it("I6: withholds on doubt: an unreadable hold or hint covers the fleet, an unreadable policy lends nothing", async () => {
    const zone = freshZone();
    const lines: string[] = [];
    const logger = createLogger({
      name: "t",
      level: "warn",
      stream: { write: (line) => void lines.push(line) },
    });
    const store = new OwnerStore(redis, zone, logger);
    await redis.hset(
      `gleaner:{${zone}}:holds`,
      "x",
      "{",
      "y",
      JSON.stringify({ ...hold("y", null), scope: "new field" }),
    );
    await redis.hset(`gleaner:{${zone}}:hints`, "z", JSON.stringify({ id: "z", target: { kind: "planet" } }));
    await redis.hset(
      `gleaner:{${zone}}:policies`,
      "research",
      JSON.stringify({ pool: "research", mode: "give" }),
    );
    const device = { uuid: "any", pool: "any" };
    const found = [...(await store.holds(5)), ...(await store.hints(5))];
    expect(found.map(({ id, target }) => [id, targetCovers(target, device)])).toEqual([
      ["x", true],
      ["y", true],
      ["z", true],
    ]);
    expect(await store.policies()).toMatchObject([{ pool: "research", mode: "observe" }]);
    expect(lines).toHaveLength(4);
    expect(await store.removeHold("x")).toBe(true);
  });

  it("I11: keeps a bounded number of holds and says so", async () => {
    const zone = freshZone();
    const store = new OwnerStore(redis, zone);
    const many = new Map(
      Array.from({ length: 10_000 }, (_, index) => [`h${index}`, JSON.stringify(hold(`h${index}`, null))]),
    );
    await redis.hset(`gleaner:{${zone}}:holds`, many);
    await expect(store.putHold(hold("one-more", null))).rejects.toMatchObject({ code: "TOO_MANY_HOLDS" });
    await store.putHold(hold("h0", 5));
  });
});

describe("TenantUsage", () => {
  it("outlives its writer, decays by half in each half-life, and forgets who is left out", async () => {
    const zone = freshZone();
    const writer = new TenantUsage(redis, zone, { halfLifeMs: 1_000 });
    await writer.read(0);
    await writer.write(
      new Map([
        ["acme", 800],
        ["beta", 600],
      ]),
      10_000,
    );
    const reader = new TenantUsage(redis, zone, { halfLifeMs: 1_000 });
    expect(await reader.read(12_000)).toEqual(
      new Map([
        ["acme", 200],
        ["beta", 150],
      ]),
    );
    await reader.write(new Map([["acme", 500]]), 12_000);
    expect(await new TenantUsage(redis, zone, { halfLifeMs: 1_000 }).read(12_000)).toEqual(
      new Map([["acme", 500]]),
    );
  });

  it("does not write again who only decayed", async () => {
    const zone = freshZone();
    const usage = new TenantUsage(redis, zone, { halfLifeMs: 1_000 });
    await usage.write(new Map([["acme", 800]]), 0);
    await usage.write(new Map([["acme", 400]]), 1_000);
    expect(await redis.hget(`gleaner:{${zone}}:tenant-usage`, "acme")).toBe("800@0");
  });

  it("counts an unreadable entry as none, and says so", async () => {
    const zone = freshZone();
    await redis.hset(`gleaner:{${zone}}:tenant-usage`, "acme", "lots", "beta", "5@0");
    const lines: string[] = [];
    const logger = createLogger({
      name: "t",
      level: "warn",
      stream: { write: (line) => void lines.push(line) },
    });
    expect(await new TenantUsage(redis, zone, { halfLifeMs: 1_000 }, logger).read(0)).toEqual(
      new Map([["beta", 5]]),
    );
    expect(lines).toHaveLength(1);
  });
});
