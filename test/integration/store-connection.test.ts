import { createServer } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectRedis } from "../../src/store/connection.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

/** A logger that keeps its lines. */
function recorder() {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger({ name: "test", level: "warn", stream }) };
}

describe("connectRedis", () => {
  it("connects under its name and leaves nothing to warn of where Redis is as it should be", async () => {
    const { lines, logger } = recorder();
    const client = await connectRedis(redis.url, { name: "gleaner-test", logger });
    expect(await client.client("GETNAME")).toBe("gleaner-test");
    expect(lines).toEqual([]);
    await client.quit();
  });

  it("refuses a Redis that may evict, and warns of one without an append-only file", async () => {
    const admin = await connectRedis(redis.url, { name: "admin" });
    try {
      await admin.config("SET", "appendonly", "no");
      const { lines, logger } = recorder();
      await (await connectRedis(redis.url, { name: "test", logger })).quit();
      expect(lines.join("")).toMatch(/appendonly off/);
      await admin.config("SET", "maxmemory-policy", "allkeys-lru");
      await expect(connectRedis(redis.url, { name: "test" })).rejects.toMatchObject({
        code: "REDIS_UNSUITABLE",
        message: expect.stringContaining("allkeys-lru"),
      });
    } finally {
      await admin.config("SET", "maxmemory-policy", "noeviction");
      await admin.config("SET", "appendonly", "yes");
      await admin.quit();
    }
  });

  it("warns and goes on where INFO is not permitted", async () => {
    const admin = await connectRedis(redis.url, { name: "admin" });
    await admin.acl("SETUSER", "narrow", "on", ">secret", "~*", "&*", "+@all", "-info");
    const { lines, logger } = recorder();
    const client = await connectRedis(`${redis.url}?username=narrow&password=secret`, {
      name: "test",
      logger,
    });
    expect(lines.join("")).toMatch(/does not permit INFO/);
    await client.quit();
    await admin.quit();
  });

  it("gives up in time where nothing listens, without showing the password", async () => {
    const url = "redis://:hunter2@127.0.0.1:1";
    const startMs = performance.now();
    const refusal = await connectRedis(url, { name: "test", connectMsMax: 300 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(refusal).toMatchObject({
      code: "REDIS_UNREACHABLE",
      details: { problem: expect.stringContaining("ECONNREFUSED") },
    });
    expect(String(refusal)).not.toContain("hunter2");
    expect(performance.now() - startMs).toBeLessThan(3_000);
  });

  it("gives up in time where something listens and never answers", async () => {
    await using server = createServer((socket) => void socket.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const connecting = connectRedis(`redis://127.0.0.1:${port}`, { name: "test", connectMsMax: 300 });
    await expect(connecting).rejects.toMatchObject({ code: "REDIS_UNREACHABLE" });
  });
});
