import type { Redis } from "ioredis";
import type { Clock } from "../runtime/clock.ts";
import { ask } from "../store/redis-error.ts";
import { keyOfJob } from "./guest-job.ts";
import type { GuestReader } from "./guest-reader.ts";
import type { QueueKeys } from "./keys.ts";
import type { LaneQueues } from "./lane-queues.ts";
import type { RunScript } from "./scripts.ts";

/** Between admission and job lies at most half of it. */
const leftoverMs = 60_000;
const guestsAtOnce = 500;
/** Batches of ended guests forgotten in one call; more wait for the next. */
const batchesMax = 100;

export interface RetentionOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly run: RunScript;
  readonly reader: GuestReader;
  readonly lanes: LaneQueues;
  readonly endedKeptMax: number;
  readonly endedKeptMs: number;
  readonly clock: Clock;
}

/** Admitted at, then (guest, key)… */
type PendingFlush = readonly [number, ...string[]];

/** Clears up after submitters that died between admission and jobs; answers how many flushes it settled. */
export async function settleLeftovers({ redis, keys, run, clock }: RetentionOptions): Promise<number> {
  const pending = await ask(redis, redis.hgetall(keys.pending));
  let settled = 0;
  for (const [flush, text] of Object.entries(pending)) {
    const [admittedAtMs, ...guests] = JSON.parse(text) as PendingFlush;
    if (clock.wallMs() - admittedAtMs < leftoverMs) continue;
    const lanes = await ask(redis, run("withdraw", guests));
    if (lanes.length > 0) await ask(redis, redis.sadd(keys.lanesToAsk, ...lanes));
    await ask(redis, redis.hdel(keys.pending, flush));
    settled += 1;
  }
  return settled;
}

/** Forgets ended guests beyond endedKeptMax or older than endedKeptMs, oldest first; answers how many. */
export async function trimEnded(options: RetentionOptions): Promise<number> {
  let trimmed = 0;
  for (let batch = 0; batch < batchesMax; batch += 1) {
    const ids = await beyondRetention(options);
    if (ids.length > 0) await forget(options, ids);
    trimmed += ids.length;
    if (ids.length < guestsAtOnce) break;
  }
  return trimmed;
}

async function beyondRetention(options: RetentionOptions): Promise<string[]> {
  const { redis, keys, endedKeptMax, endedKeptMs, clock } = options;
  const count = await ask(redis, redis.zcard(keys.ended));
  const tooMany = Math.min(guestsAtOnce, count - endedKeptMax);
  if (tooMany > 0) return ask(redis, redis.zrange(keys.ended, "0", String(tooMany - 1)));
  const oldest = clock.wallMs() - endedKeptMs;
  return ask(redis, redis.zrange(keys.ended, "-inf", `(${oldest}`, "BYSCORE", "LIMIT", 0, guestsAtOnce));
}

/** Jobs first: what is in the index can be found and forgotten again. */
async function forget(
  { redis, run, reader, lanes }: RetentionOptions,
  ids: readonly string[],
): Promise<void> {
  const jobs = await reader.raw(ids);
  await ask(redis, Promise.all(ids.map((id) => lanes.remove(id))));
  await ask(
    redis,
    run(
      "forgetEnded",
      jobs.flatMap(({ id, data }) => [id, data === null ? "" : keyOfJob(data)]),
    ),
  );
}
