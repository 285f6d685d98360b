import { setImmediate as realTurn } from "node:timers/promises";
import type { Redis } from "ioredis";
import { GleanerError } from "../../../../src/errors/gleaner-error.ts";
import { connectRedis, driverOptions } from "../../../../src/store/connection.ts";
import { Host } from "../../world/host.ts";
import { Life } from "../../world/process.ts";
import { Scheduler } from "../../world/scheduler.ts";
import { SimRedisClient } from "../client.ts";
import { steadyLink } from "../link.ts";
import { SimRedisServer } from "../server.ts";

/** BullMQ writes them and nobody reads them: the model has none. */
const unread = /:(events|marker|id|meta|stalled-check)$/;

/** A real Redis and its model, which are told the same and must not differ. */
export class Twins {
  readonly real: Redis;
  readonly sim: SimRedisClient;
  readonly server: SimRedisServer;
  readonly #scheduler: Scheduler;

  private constructor(real: Redis) {
    this.real = real;
    this.#scheduler = new Scheduler();
    const host = new Host("redis", this.#scheduler, Date.now());
    this.server = new SimRedisServer({ host, scheduler: this.#scheduler });
    const life = new Life(new Host("client", this.#scheduler, Date.now()), this.#scheduler);
    const options = driverOptions({ name: "twin" });
    this.sim = new SimRedisClient({ server: this.server, life, link: steadyLink(), options });
  }

  static async open(url: string): Promise<Twins> {
    return new Twins(await connectRedis(url, { name: "twin" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.real.quit();
  }

  /** What each answers. */
  async both<T>(real: () => Promise<T>, sim: () => Promise<T>): Promise<[real: unknown, sim: unknown]> {
    return [await outcomeOf(real()), await this.inWorld(outcomeOf(sim()))];
  }

  /** While virtual time goes on. */
  async inWorld<T>(promise: Promise<T>): Promise<T> {
    const end = { isSettled: false };
    const settle = () => {
      end.isSettled = true;
    };
    promise.then(settle, settle);
    await realTurn();
    while (!end.isSettled) {
      await this.#scheduler.run(this.#scheduler.nowMs + 1, () => end.isSettled);
      await realTurn();
    }
    return promise;
  }

  /** Everything under the prefix, in a form that can be compared. */
  async dumps(prefix: string): Promise<[real: unknown, sim: unknown]> {
    // What nobody waited for is done before what is asked behind it.
    await this.inWorld(this.sim.call("hlen", ""));
    const keys = (await this.real.keys(`${prefix}*`)).filter((key) => !unread.test(key)).toSorted();
    const values = await Promise.all(
      keys.map(async (key) => [key, canonical(await valueOf(this.real, key))] as const),
    );
    const { space } = this.server;
    const simKeys = space
      .keys()
      .filter((key) => key.startsWith(prefix))
      .toSorted();
    return [values, simKeys.map((key) => [key, canonical(space.valueOf(key))])];
  }
}

/** A value, or the code or message of an error. */
export async function outcomeOf<T>(promise: Promise<T>): Promise<unknown> {
  try {
    return await promise;
  } catch (thrown) {
    if (thrown instanceof GleanerError) return `throws ${thrown.code}`;
    return `throws ${String(thrown)}`;
  }
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case "string":
      return redis.get(key);
    case "hash":
      return redis.hgetall(key);
    case "set":
      return new Set(await redis.smembers(key));
    case "zset": {
      const flat = await redis.zrange(key, "0", "-1", "WITHSCORES");
      return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], Number(flat[2 * i + 1])]);
    }
    case "list":
      return redis.lrange(key, 0, -1);
    case "stream":
      return (await redis.xrange(key, "-", "+", "COUNT", 1_000_000)).map(([, fields]) => fields);
    default:
      return null;
  }
}

/** JSON as what it says: Lua writes the fields of an object in an order of its own. Ids of stream entries are of the clock. */
function canonical(value: unknown): unknown {
  if (typeof value === "string")
    return /^[[{]/.test(value) ? JSON.parse(value) : value.replace(/^\d{13}-\d+/, "some entry");
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value === "object" && value !== null && !(value instanceof Set))
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, canonical(part)]));
  return value;
}
