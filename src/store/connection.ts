import { Redis } from "ioredis";
import { GleanerError } from "../errors/gleaner-error.ts";
import { systemClock, type Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { addressOf } from "./redis-error.ts";

const versionMin = [6, 2] as const;
const retryMsMin = 50;
const retryMsMax = 2_000;
const connectMsDefault = 5_000;

export interface ConnectOptions {
  /** Shown by CLIENT LIST. */
  readonly name: string;
  /**
   * How often a command is tried while the connection is down, before it fails with REDIS_UNREACHABLE; about 3 s by
   * default. null for BullMQ, which demands it: commands then wait until Redis is back.
   */
  readonly maxRetriesPerRequest?: number | null;
  /** Until the first answer, at start. */
  readonly connectMsMax?: number;
  /** A command that is not answered for as long fails, though it may be carried out yet. Not for BullMQ. */
  readonly commandMsMax?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/**
 * A connection that reconnects for as long as it lives, with at most 2 s between two tries.
 * `url`: redis://, rediss://, or the path of a Unix socket.
 *
 * Throws REDIS_UNREACHABLE when nothing answers in time, REDIS_UNSUITABLE when what answers must not hold the books.
 */
export function connectRedis(url: string, options: ConnectOptions): Promise<Redis> {
  return whenSuitable(new Redis(url, driverOptions(options)), options);
}

export function driverOptions(options: ConnectOptions) {
  const { name, maxRetriesPerRequest = 6, connectMsMax = connectMsDefault, commandMsMax = 5_000 } = options;
  return {
    connectionName: name,
    lazyConnect: true,
    maxRetriesPerRequest,
    connectTimeout: connectMsMax,
    retryStrategy: (attempt: number) => Math.min(retryMsMin * 2 ** (attempt - 1), retryMsMax),
    // A demoted master answers READONLY: look again who leads, and send the command there.
    reconnectOnError: (error: Error) => (error.message.startsWith("READONLY") ? (2 as const) : false),
    ...(maxRetriesPerRequest === null ? {} : { commandTimeout: commandMsMax }),
  };
}

/** A new connection, once it is ready and what answers may hold the books. Throws as `connectRedis`. */
export async function whenSuitable(redis: Redis, options: ConnectOptions): Promise<Redis> {
  const { name, connectMsMax = connectMsDefault, logger, clock = systemClock } = options;
  let problem = `no answer within ${connectMsMax} ms`;
  redis.on("error", (error: Error) => {
    if (error.message !== problem) logger?.warn({ redis: addressOf(redis), connection: name }, error.message);
    problem = error.message;
  });
  try {
    await whenReady(redis, connectMsMax, clock);
  } catch (thrown) {
    redis.disconnect();
    throw new GleanerError("REDIS_UNREACHABLE", { url: addressOf(redis), problem }, { cause: thrown });
  }
  try {
    await checkSuitable(redis, logger);
  } catch (thrown) {
    redis.disconnect();
    throw thrown;
  }
  return redis;
}

async function whenReady(redis: Redis, patienceMs: number, clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => reject(new Error(`not ready after ${patienceMs} ms`));
  const stopWaiting = clock.after(patienceMs, giveUp);
  redis.once("ready", resolve);
  // Its rejection speaks of the first try only; the "error" event tells the problem, and trying goes on.
  redis.connect().catch(() => {});
  try {
    await promise;
  } finally {
    stopWaiting();
    redis.off("ready", resolve);
  }
}

/** INFO tells all of it, where a managed Redis forbids CONFIG. */
async function checkSuitable(redis: Redis, logger: Logger | undefined): Promise<void> {
  const url = addressOf(redis);
  let info: string;
  try {
    info = await redis.info();
  } catch (thrown) {
    logger?.warn(
      { redis: url, err: thrown },
      "Redis does not permit INFO: version, eviction and appendonly are not checked",
    );
    return;
  }
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
  const unsuitable = (problem: string) => new GleanerError("REDIS_UNSUITABLE", { url, problem });

  const version = field("redis_version") ?? "0";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < versionMin[0] || (major === versionMin[0] && minor < versionMin[1]))
    throw unsuitable(`it is version ${version}`);
  const policy = field("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction")
    throw unsuitable(`maxmemory-policy is ${policy}, which may evict leases and guests`);
  if (field("role") === "slave") throw unsuitable("it is a read-only replica");
  if (field("aof_enabled") === "0")
    logger?.warn(
      { redis: url },
      "Redis has appendonly off: guests and leases do not outlive its death. Set appendonly yes",
    );
}
