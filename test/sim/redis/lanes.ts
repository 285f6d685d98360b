import type { Redis } from "ioredis";
import { GleanerError } from "../../../src/errors/gleaner-error.ts";
import type { QueueKeys } from "../../../src/queue/keys.ts";
import { laneIdOf } from "../../../src/queue/lane.ts";
import type { ClaimAnswer, LaneQueues, NewJob } from "../../../src/queue/lane-queues.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import type { SimPipeline } from "./client.ts";

export interface SimLanesOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly lockMs: number;
  readonly clock: Clock;
}

/** The lanes as BullMQ keeps them: see scripts/bull.ts. */
export class SimLaneQueues implements LaneQueues {
  readonly #options: SimLanesOptions;

  constructor(options: SimLanesOptions) {
    this.#options = options;
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    const pipeline = this.#options.redis.pipeline() as unknown as SimPipeline;
    for (const { guestId, data, timestampMs, delayMs } of jobs)
      pipeline.call(
        "bull-add",
        this.#lane(laneIdOf(guestId)),
        guestId,
        data,
        timestampMs,
        Math.max(0, delayMs),
      );
    for (const [error] of await pipeline.exec()) if (error !== null) throw error;
  }

  async claim(laneId: string, token: string): Promise<ClaimAnswer> {
    const { clock, lockMs } = this.#options;
    const answer = await this.#call("bull-claim", laneId, token, clock.wallMs(), lockMs);
    if (answer === null) return { id: null };
    const [id, data, progress] = answer as [string, string, string];
    return { id, job: { data, progress: JSON.parse(progress) as unknown } };
  }

  async putBack(guestId: string, token: string): Promise<void> {
    refuse(await this.#call("bull-putBack", laneIdOf(guestId), guestId, token));
  }

  async putBackLater(guestId: string, token: string, nowMs: number, delayMs: number): Promise<void> {
    refuse(await this.#call("bull-putBackLater", laneIdOf(guestId), guestId, token, nowMs, delayMs));
  }

  async setProgress(guestId: string, progress: object): Promise<void> {
    refuse(await this.#call("bull-setProgress", laneIdOf(guestId), guestId, JSON.stringify(progress)));
  }

  async remove(guestId: string): Promise<void> {
    await this.#call("bull-remove", laneIdOf(guestId), guestId);
  }

  #call(name: string, laneId: string, ...args: (string | number)[]): Promise<unknown> {
    return this.#options.redis.call(name, this.#lane(laneId), ...args);
  }

  #lane(laneId: string): string {
    return `${this.#options.keys.jobs}:${laneId}`;
  }
}

function refuse(code: unknown): void {
  if (typeof code === "number" && code < 0)
    throw new GleanerError("INTERNAL", { problem: `BullMQ refused with code ${code}` });
}
