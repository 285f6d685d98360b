import type { Redis } from "ioredis";
import { askAll } from "../store/redis-error.ts";
import type { QueueKeys } from "./keys.ts";
import { laneFromDescriptor, type Lane } from "./lane.ts";

/** What lies in a lane and is not claimed. */
export interface LaneBacklog {
  readonly lane: Lane;
  readonly unclaimed: number;
  readonly delayed: number;
  /** When the first of the delayed is due; wall clock. */
  readonly dueMs: number;
}

/** BullMQ's scores of delayed jobs are ms × this, plus a counter. */
const scorePerMs = 0x1000;

/** The lanes that are not empty, as measured last and counted since. Lanes that turn out empty are dropped. */
export class LaneBook {
  readonly #redis: Redis;
  readonly #keys: QueueKeys;
  readonly #lanes = new Map<string, LaneBacklog>();

  constructor(redis: Redis, keys: QueueKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** When the next delayed guest is due; wall clock. */
  get firstDueMs(): number {
    let first = Infinity;
    for (const { dueMs } of this.#lanes.values()) first = Math.min(first, dueMs);
    return first;
  }

  get(laneId: string): LaneBacklog | null {
    return this.#lanes.get(laneId) ?? null;
  }

  lanes(): IterableIterator<LaneBacklog> {
    return this.#lanes.values();
  }

  clear(): void {
    this.#lanes.clear();
  }

  /** `by` guests more, or fewer, are not claimed in this lane. */
  count(lane: Lane, by: number): void {
    const backlog = this.#lanes.get(lane.id) ?? empty(lane);
    this.#keep({ ...backlog, unclaimed: Math.max(0, backlog.unclaimed + by) });
  }

  /** One guest more waits in the lane for its time. */
  postpone(lane: Lane, dueMs: number): void {
    const backlog = this.#lanes.get(lane.id) ?? empty(lane);
    this.#keep({ ...backlog, delayed: backlog.delayed + 1, dueMs: Math.min(backlog.dueMs, dueMs) });
  }

  async measure(laneIds: readonly string[]): Promise<void> {
    if (laneIds.length === 0) return;
    const pipeline = this.#redis.pipeline();
    pipeline.hmget(this.#keys.lanes, ...laneIds);
    for (const id of laneIds) {
      const jobs = `${this.#keys.jobs}:${id}`;
      pipeline
        .llen(`${jobs}:wait`)
        .zcard(`${jobs}:delayed`)
        .zrange(`${jobs}:delayed`, "0", "0", "WITHSCORES");
    }
    const [descriptors, ...sizes] = await askAll(this.#redis, pipeline);
    for (const [i, id] of laneIds.entries()) {
      const descriptor = (descriptors as (string | null)[])[i];
      const [unclaimed, delayed, first] = sizes.slice(i * 3, i * 3 + 3) as [number, number, string[]];
      if (typeof descriptor !== "string") {
        this.#lanes.delete(id);
        continue;
      }
      const dueMs = first[1] === undefined ? Infinity : Math.floor(Number(first[1]) / scorePerMs);
      this.#keep({ lane: laneFromDescriptor(id, descriptor), unclaimed, delayed, dueMs });
    }
  }

  #keep(backlog: LaneBacklog): void {
    if (backlog.unclaimed + backlog.delayed === 0) this.#lanes.delete(backlog.lane.id);
    else this.#lanes.set(backlog.lane.id, backlog);
  }
}

function empty(lane: Lane): LaneBacklog {
  return { lane, unclaimed: 0, delayed: 0, dueMs: Infinity };
}
