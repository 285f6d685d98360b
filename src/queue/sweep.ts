import type { Redis } from "ioredis";
import { ask, askAll } from "../store/redis-error.ts";
import type { Claims } from "./claims.ts";
import type { GuestReader, RawJob } from "./guest-reader.ts";
import type { QueueKeys } from "./keys.ts";
import type { LaneBook } from "./lane-book.ts";
import type { RunScript } from "./scripts.ts";

const lanesAtOnce = 500;
export const locksAtOnce = 1_000;

export interface SweepOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly run: RunScript;
  readonly claims: Claims;
  readonly book: LaneBook;
  readonly reader: GuestReader;
  readonly token: string;
  readonly lockMs: number;
}

/**
 * Looks through all lanes for jobs that are active though we do not hold them: all of them after a leader's start; later
 * those whose claim was answered into a broken connection. Each is locked by us before it is handed to `found`.
 */
export async function sweep(
  options: SweepOptions,
  found: (jobs: readonly RawJob[]) => Promise<void>,
): Promise<void> {
  const { redis, keys, book } = options;
  let cursor = "0";
  do {
    const [next, fields] = await ask(redis, redis.hscan(keys.lanes, cursor, "COUNT", lanesAtOnce));
    cursor = next;
    const laneIds = fields.filter((_, i) => i % 2 === 0);
    for (let at = 0; at < laneIds.length; at += lanesAtOnce) {
      const some = laneIds.slice(at, at + lanesAtOnce);
      await book.measure(some);
      const orphans = await activeNotHeld(options, some);
      for (let first = 0; first < orphans.length; first += locksAtOnce)
        await take(options, orphans.slice(first, first + locksAtOnce), found);
    }
  } while (cursor !== "0");
}

async function activeNotHeld(
  { redis, keys, claims }: SweepOptions,
  laneIds: readonly string[],
): Promise<string[]> {
  const counting = redis.pipeline();
  for (const id of laneIds) counting.llen(`${keys.jobs}:${id}:active`);
  const counts = (await askAll(redis, counting)) as number[];
  const suspects = laneIds.filter((id, i) => counts[i]! > claims.lane(id).total);
  const listing = redis.pipeline();
  for (const id of suspects) listing.lrange(`${keys.jobs}:${id}:active`, 0, -1);
  const active = suspects.length === 0 ? [] : ((await askAll(redis, listing)) as string[][]);
  return active.flat().filter((id) => !claims.has(id));
}

async function take(
  { redis, run, reader, token, lockMs }: SweepOptions,
  ids: readonly string[],
  found: (jobs: readonly RawJob[]) => Promise<void>,
): Promise<void> {
  await ask(redis, run("lock", [token, lockMs, "take", ...ids]));
  await found(await reader.raw(ids));
}
