import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRedisServer, type RedisServer } from "../../src/store/redis-server.ts";

export interface TestRedis extends RedisServer {
  /** Its data; gone after stop(). */
  readonly dir: string;
}

/**
 * A real redis-server for one test file: `const redis = await startTestRedis()` in beforeAll, `redis.stop()` in afterAll,
 * or `await using redis = await startTestRedis()` in a test. `redis.url` goes to ioredis, BullMQ and REDIS_URL alike.
 */
export async function startTestRedis(appendfsync: "always" | "everysec" = "everysec"): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-redis-"));
  const server = await startRedisServer({ dir, appendfsync });
  const stop = async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    dir,
    url: server.url,
    get pid() {
      return server.pid;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

let zones = 0;

/** A zone that no other test has used: tests share a server without seeing each other's keys. */
export function freshZone(): string {
  zones += 1;
  return `zone-${process.pid}-${zones}`;
}
