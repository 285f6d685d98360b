import type { Redis } from "ioredis";
import type { WaitingGuest } from "../core/guest.ts";
import type { Clock } from "../runtime/clock.ts";
import { ask } from "../store/redis-error.ts";
import type { Claims } from "./claims.ts";
import { decodeJob, decodeProgress } from "./guest-job.ts";
import type { QueueKeys } from "./keys.ts";
import { laneIdOf, laneOf, type Lane } from "./lane.ts";
import type { LaneBacklog, LaneBook } from "./lane-book.ts";
import type { LaneQueues } from "./lane-queues.ts";

/** Sent at once; keeps the connection's buffers small. */
const slice = 256;
/** Lanes taken from the set in one go, and goes in one refill. */
const lanesAtOnce = 1_000;
const goesMax = 64;
/** Claims of one refill, so that a cycle waits for it some 200 ms at most; the next one goes on. */
const claimsMax = 2_000;

export interface RefillOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly claims: Claims;
  readonly book: LaneBook;
  readonly lanes: LaneQueues;
  readonly token: string;
  readonly headsPerLane: number;
  readonly headsMax: number;
  readonly clock: Clock;
}

/**
 * Keeps the first guests of every lane claimed: as many as the quota, which shrinks when there are many lanes, so that
 * all of them together stay within headsMax and every lane is seen by the matcher.
 */
export class Refill {
  readonly #options: RefillOptions;
  /** Lanes to measure again. */
  readonly #stale = new Set<string>();
  /** Of the claims, when nothing was left to do. */
  #settledVersion: number | null = null;

  constructor(options: RefillOptions) {
    this.#options = options;
  }

  /** The lanes were measured by somebody else: there may be guests to claim. */
  lookAgain(): void {
    this.#settledVersion = null;
  }

  async run(): Promise<void> {
    const { claims, book, clock } = this.#options;
    claims.releaseHeld(clock.wallMs());
    await this.#takeLanesToAsk();
    if (this.#isSettled()) return;
    const stale = [...this.#stale];
    for (let at = 0; at < stale.length; at += lanesAtOnce)
      await book.measure(stale.slice(at, at + lanesAtOnce));
    for (const laneId of stale) this.#stale.delete(laneId);
    const quota = this.#quota();
    await this.#returnSurplus(quota);
    const isComplete = await this.#claimMissing(quota);
    this.#settledVersion = isComplete ? claims.version : null;
  }

  #isSettled(): boolean {
    const { claims, book, clock } = this.#options;
    return (
      this.#stale.size === 0 && this.#settledVersion === claims.version && book.firstDueMs > clock.wallMs()
    );
  }

  async #takeLanesToAsk(): Promise<void> {
    const { redis, keys } = this.#options;
    for (let go = 0; go < goesMax; go += 1) {
      const taken = await ask(redis, redis.spop(keys.lanesToAsk, lanesAtOnce));
      for (const laneId of taken) this.#stale.add(laneId);
      if (taken.length < lanesAtOnce) return;
    }
  }

  #quota(): number {
    const { claims, book, headsPerLane, headsMax } = this.#options;
    let lanes = claims.lanesWaiting;
    for (const { lane } of book.lanes()) if (claims.lane(lane.id).waiting === 0) lanes += 1;
    return Math.min(headsPerLane, Math.max(1, Math.floor(headsMax / Math.max(1, lanes))));
  }

  /** A mass eviction fills lanes beyond their quota: the last ones go back to the head of their lane, last one first. */
  async #returnSurplus(quota: number): Promise<void> {
    const { claims, headsMax } = this.#options;
    const over = claims.lanesOver(claims.waiting + claims.held > headsMax ? quota : 2 * quota);
    if (over.size === 0) return;
    const kept = new Map<string, number>();
    const surplus = claims.heads().filter(({ id }) => {
      const laneId = laneIdOf(id);
      if (!over.has(laneId)) return false;
      const place = (kept.get(laneId) ?? 0) + 1;
      kept.set(laneId, place);
      return place > quota;
    });
    surplus.reverse();
    for (let at = 0; at < surplus.length; at += slice)
      await this.#inParallel(
        surplus.slice(at, at + slice),
        (guest) => this.#return(guest),
        (guest) => laneOf(guest.spec),
      );
  }

  async #return(guest: WaitingGuest): Promise<void> {
    const { claims, book, lanes, token } = this.#options;
    const progress = claims.leave(guest.id);
    if (progress === null) return;
    try {
      // In this order on the one connection; neither waits for the other's answer.
      await Promise.all([lanes.setProgress(guest.id, progress), lanes.putBack(guest.id, token)]);
    } catch (thrown) {
      claims.stay(guest.id, "waiting");
      throw thrown;
    }
    claims.remove(guest.id);
    book.count(laneOf(guest.spec), 1);
  }

  /** False when claimsMax stopped it. */
  async #claimMissing(quota: number): Promise<boolean> {
    const { claims, book, headsMax, clock } = this.#options;
    const nowMs = clock.wallMs();
    const needy = [...book.lanes()]
      .map((backlog) => ({ backlog, missing: this.#missing(backlog, quota, nowMs) }))
      .filter(({ missing }) => missing > 0)
      .toSorted((a, b) => b.backlog.lane.priority - a.backlog.lane.priority);
    const room = Math.max(0, headsMax - claims.waiting - claims.held);
    const orders: LaneBacklog[] = [];
    for (const { backlog, missing } of needy) {
      // What became due joins the others in BullMQ with the claim: counted anew then.
      if (backlog.dueMs <= nowMs) this.#stale.add(backlog.lane.id);
      for (let i = 0; i < missing && orders.length < Math.min(room, claimsMax); i += 1) orders.push(backlog);
    }
    for (let at = 0; at < orders.length; at += slice) await this.#claim(orders.slice(at, at + slice));
    return orders.length < claimsMax;
  }

  #missing({ lane, unclaimed, delayed, dueMs }: LaneBacklog, quota: number, nowMs: number): number {
    const available = unclaimed + (dueMs <= nowMs ? delayed : 0);
    return Math.min(available, quota - this.#options.claims.lane(lane.id).waiting);
  }

  #claim(orders: readonly LaneBacklog[]): Promise<void> {
    const { claims, book, lanes, token, clock } = this.#options;
    const claimOne = async ({ lane }: LaneBacklog) => {
      const claimed = await lanes.claim(lane.id, token);
      if (claimed.id === null) {
        this.#stale.add(lane.id);
        return;
      }
      const guest = decodeJob(claimed.id, claimed.job.data);
      claims.enterWaiting(guest, decodeProgress(claimed.job.progress, guest), clock.wallMs());
      book.count(lane, -1);
    };
    return this.#inParallel(orders, claimOne, ({ lane }) => lane);
  }

  /** All are waited for; where one failed its lane is measured again, and the first failure is thrown. */
  async #inParallel<T>(
    items: readonly T[],
    act: (item: T) => Promise<void>,
    lane: (item: T) => Lane,
  ): Promise<void> {
    const failures: unknown[] = [];
    const guarded = async (item: T) => {
      try {
        await act(item);
      } catch (thrown) {
        this.#stale.add(lane(item).id);
        failures.push(thrown);
      }
    };
    await Promise.all(items.map(guarded));
    if (failures.length > 0) await ask(this.#options.redis, Promise.reject(failures[0]));
  }
}
