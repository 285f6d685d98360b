import type { Redis } from "ioredis";
import { ask, askAll } from "../store/redis-error.ts";
import { decodeJob, decodeProgress, type QueuedGuest, type WaitingProgress } from "./guest-job.ts";
import type { QueueKeys } from "./keys.ts";
import { isGuestId, laneIdOf } from "./lane.ts";

export interface GuestListQuery {
  /** Empty: all. */
  readonly tenant: string;
  /** Guests with a larger sequence only; 0 for the first page. */
  readonly afterSequence: number;
  readonly limit: number;
}

/** A job as Redis has it; `data` null: none. */
export interface RawJob {
  readonly id: string;
  readonly data: string | null;
  readonly progress: unknown;
}

/** Reads guests, waiting, running and ended alike, without asking the lanes. */
export class GuestReader {
  readonly #redis: Redis;
  readonly #keys: QueueKeys;

  constructor(redis: Redis, keys: QueueKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async get(id: string): Promise<QueuedGuest | null> {
    return (await this.#decoded([id]))[0] ?? null;
  }

  /**
   * The next guests by sequence, `limit` of them unless there are no more. Guests that are admitted and not durable yet
   * are left out.
   */
  async list({ tenant, afterSequence, limit }: GuestListQuery): Promise<QueuedGuest[]> {
    const index = tenant === "" ? this.#keys.guests : this.#keys.guestsOf(tenant);
    const page: QueuedGuest[] = [];
    let after = afterSequence;
    while (page.length < limit) {
      const missing = limit - page.length;
      const range = this.#redis.zrange(
        index,
        `(${after}`,
        "+inf",
        "BYSCORE",
        "LIMIT",
        0,
        missing,
        "WITHSCORES",
      );
      const entries = await ask(this.#redis, range);
      page.push(...(await this.#decoded(entries.filter((_, i) => i % 2 === 0))));
      if (entries.length < 2 * missing) break;
      after = Number(entries.at(-1));
    }
    return page;
  }

  /** null: there is no such guest. */
  async progress(id: string): Promise<WaitingProgress | null> {
    const [job] = await this.raw([id]);
    return job === undefined || job.data === null
      ? null
      : decodeProgress(job.progress, decodeJob(id, job.data));
  }

  async raw(ids: readonly string[]): Promise<RawJob[]> {
    if (ids.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const id of ids) pipeline.hmget(`${this.#keys.jobs}:${laneIdOf(id)}:${id}`, "data", "progress");
    const replies = (await askAll(this.#redis, pipeline)) as (readonly [string | null, string | null])[];
    return replies.map(([data, progress], i) => ({
      id: ids[i]!,
      data,
      progress: progress === null ? null : (JSON.parse(progress) as unknown),
    }));
  }

  async #decoded(ids: readonly string[]): Promise<QueuedGuest[]> {
    const jobs = await this.raw(ids.filter(isGuestId));
    return jobs.flatMap(({ id, data }) => (data === null ? [] : [decodeJob(id, data)]));
  }
}
