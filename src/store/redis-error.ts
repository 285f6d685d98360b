import type { ChainableCommander, Redis } from "ioredis";
import { GleanerError } from "../errors/gleaner-error.ts";

/** Replies by which a Redis says that it cannot serve now, though the request was sound. */
const notNow = /^(LOADING|READONLY|OOM|MISCONF|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|BUSY|UNBLOCKED)\b/;

/** Where the connection leads, without its password. */
export function addressOf(redis: Redis): string {
  const { path, host, port } = redis.options;
  return path ?? `${host}:${port}`;
}

/** REDIS_UNREACHABLE where the connection or the server's state is at fault; the rest is a defect. */
export function redisError(redis: Redis, thrown: unknown): GleanerError {
  if (thrown instanceof GleanerError) return thrown;
  const problem = thrown instanceof Error ? thrown.message : String(thrown);
  const isReply = thrown instanceof Error && thrown.name === "ReplyError";
  if (isReply && !notNow.test(problem))
    return new GleanerError(
      "INTERNAL",
      { problem: `Redis refused a command: ${problem}` },
      { cause: thrown },
    );
  return new GleanerError("REDIS_UNREACHABLE", { url: addressOf(redis), problem }, { cause: thrown });
}

/** The driver repeats what was not answered, but not the rest of a pipeline that was half answered. */
export function wasAborted(thrown: unknown): boolean {
  return (
    thrown instanceof GleanerError && thrown.cause instanceof Error && thrown.cause.name === "AbortError"
  );
}

export async function ask<T>(redis: Redis, command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (thrown) {
    throw redisError(redis, thrown);
  }
}

/** Sends all at once; answers in order. One failure fails the batch: what was sent may have happened. */
export async function askAll(redis: Redis, pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = (await ask(redis, pipeline.exec())) ?? [];
  return replies.map(([error, value]) => {
    if (error !== null) throw redisError(redis, error);
    return value;
  });
}
