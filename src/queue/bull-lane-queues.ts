import {
  createRedisBackend,
  type IQueueBackend,
  type IRedisTransaction,
  type JobJson,
  type RedisQueueBackend,
} from "bullmq";
import type { Redis } from "ioredis";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { QueueKeys } from "./keys.ts";
import { laneIdOf } from "./lane.ts";
import type { ClaimAnswer, LaneQueues, NewJob } from "./lane-queues.ts";

interface BullOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly lockMs: number;
}

/** Backends of lanes, some 4 KiB each. */
const cachedMax = 1_000;

/**
 * All lanes on the one connection that is handed in. BullMQ's Worker is not used: each would bring a blocking connection
 * and timers, and its stalled checker would run a guest again by itself. Its backend, which Worker and Queue are built
 * on, brings none of them; the backend of a lane is a few strings, kept for the lanes used last.
 */
export class BullLaneQueues implements LaneQueues {
  readonly #base: RedisQueueBackend;
  readonly #cached = new Map<string, IQueueBackend>();

  private constructor(base: RedisQueueBackend) {
    this.#base = base;
  }

  static async open({ redis, keys, lockMs }: BullOptions): Promise<BullLaneQueues> {
    const options = { connection: redis, prefix: keys.jobs, lockDuration: lockMs, skipVersionCheck: true };
    const base = createRedisBackend("lanes", options, {});
    // The connection's own listener logs its errors; unheard, an "error" event would end the process.
    base.on("error", () => {});
    await base.waitUntilReady();
    return new BullLaneQueues(base);
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    const pipeline = (await this.#base.client).pipeline();
    // Each is queued on the pipeline at once; its promise only says so.
    await Promise.all(jobs.map((job) => this.#queue(pipeline, job)));
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  async claim(laneId: string, token: string): Promise<ClaimAnswer> {
    const [job, id] = (await this.#lane(laneId).moveToActive(token)) as [JobJson | undefined, string];
    return job === undefined || job === null ? { id: null } : { id, job };
  }

  async putBack(guestId: string, token: string): Promise<void> {
    await this.#laneOf(guestId).moveJobFromActiveToWait(guestId, token).catch(throwRefusal);
  }

  async putBackLater(guestId: string, token: string, nowMs: number, delayMs: number): Promise<void> {
    const opts = { skipAttempt: true };
    await this.#laneOf(guestId).moveToDelayed(guestId, nowMs, delayMs, token, opts).catch(throwRefusal);
  }

  async setProgress(guestId: string, progress: object): Promise<void> {
    await this.#laneOf(guestId).updateProgress(guestId, progress).catch(throwRefusal);
  }

  async remove(guestId: string): Promise<void> {
    await this.#laneOf(guestId).remove(guestId, false);
  }

  #queue(pipeline: IRedisTransaction, { guestId, data, timestampMs, delayMs }: NewJob): Promise<string> {
    const opts = delayMs > 0 ? { delay: delayMs } : {};
    // The rest of a JobJson is what a job has once it ran; BullMQ does not read it here.
    const job = { id: guestId, name: "guest", data, opts, timestamp: timestampMs } as JobJson;
    return this.#base.addJobToTransaction(pipeline, job, guestId, {}, this.#laneOf(guestId).keys);
  }

  #laneOf(guestId: string): IQueueBackend {
    return this.#lane(laneIdOf(guestId));
  }

  #lane(laneId: string): IQueueBackend {
    let lane = this.#cached.get(laneId);
    if (lane === undefined) {
      if (this.#cached.size === cachedMax) this.#cached.clear();
      lane = this.#base.forQueue(laneId);
      this.#cached.set(laneId, lane);
    }
    return lane;
  }
}

/** A number is BullMQ's own refusal, for instance because another leader has the lock; the rest is the connection's. */
function throwRefusal(thrown: unknown): never {
  const isRefusal = thrown instanceof Error && "code" in thrown && typeof thrown.code === "number";
  throw isRefusal ? new GleanerError("INTERNAL", { problem: String(thrown) }, { cause: thrown }) : thrown;
}
