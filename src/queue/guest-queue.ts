import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { Submission } from "../api/ports.ts";
import type { Settings } from "../config/settings.ts";
import type { TerminalGuestState, WaitingGuest } from "../core/guest.ts";
import { systemClock, type Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { connectRedis } from "../store/connection.ts";
import { ask } from "../store/redis-error.ts";
import { Admission, flushGuestsMax, type QueueOutcome } from "./admission.ts";
import { Claims } from "./claims.ts";
import { Departures, type PutBack } from "./departures.ts";
import { GuestReader, type GuestListQuery } from "./guest-reader.ts";
import type { QueuedGuest } from "./guest-job.ts";
import { queueKeys } from "./keys.ts";
import { BullLaneQueues } from "./bull-lane-queues.ts";
import { isGuestId, laneIdOf, newGuestId, type Lane } from "./lane.ts";
import { LaneBook } from "./lane-book.ts";
import type { LaneQueues } from "./lane-queues.ts";
import { placeInTenant } from "./place.ts";
import {
  adoptOrphans,
  recover,
  type GuestRecords,
  type Recovered,
  type RecoveryOptions,
} from "./recovery.ts";
import { Refill } from "./refill.ts";
import { settleLeftovers, trimEnded, type RetentionOptions } from "./retention.ts";
import { queueScripts } from "./scripts.ts";
import { SubmitBuffer } from "./submit-buffer.ts";
import { locksAtOnce } from "./sweep.ts";

/** Submissions that may wait in this process to be written. */
const backlogMax = 20_000;

export interface GuestQueueOptions {
  readonly redisUrl: string;
  readonly zone: string;
  readonly settings: Settings["queue"];
  /** Claimed waiting guests over all lanes: `cycle.headsMax`. */
  readonly headsMax: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly ids?: QueueIds;
}

/** Names that nobody had before. */
export interface QueueIds {
  newId(): string;
  newGuestId(lane: Lane): string;
}

/** A connection, and all lanes on it. */
export interface LaneConnection {
  readonly redis: Redis;
  readonly lanes: LaneQueues;
}

/** `others`: guests of its own lane are before it. */
export type WaitsFor = "backoff" | "others" | "decision";

export interface Reconciled {
  /** Flushes of submitters that died half-way. */
  readonly leftovers: number;
  /** Guests whose claim was answered into a broken connection. */
  readonly adopted: number;
  /** Ended guests that are no longer kept. */
  readonly trimmed: number;
}

/**
 * The guests of a zone: durable in BullMQ, their order owned by the matcher. Submitting and reading is for every replica;
 * the rest is the leader's, who calls `recover` first. Throws REDIS_UNREACHABLE; what was asked for may have happened then.
 */
export interface GuestQueue extends AsyncDisposable {
  /** Durable when it resolves; answers keep the order. Throws SUBMIT_BACKLOG_FULL. */
  submit(submissions: readonly Submission[]): Promise<readonly QueueOutcome[]>;
  get(id: string): Promise<QueuedGuest | null>;
  /** Shorter than the limit only on the last page. */
  list(query: GuestListQuery): Promise<QueuedGuest[]>;
  /** By tenant: guests that have not ended. */
  openCounts(): Promise<ReadonlyMap<string, number>>;

  /** After a leader's start: takes over every claimed guest and sorts it into running, waiting or ended. */
  recover(records: GuestRecords): Promise<Recovered>;
  /** Claims what is missing at the heads, up to 2,000 a call; cheap when nothing changed. */
  refill(): Promise<void>;
  /** Claimed and waiting, in order; the same array as long as nothing changed. */
  heads(): readonly WaitingGuest[];
  /** Waiting → running, in memory. False: it does not wait any more, do not lend to it. */
  admit(id: string): boolean;
  /** Running → waiting at its old place, held back for delayMs. */
  putBack(id: string, putBack: PutBack): Promise<void>;
  /**
   * The guest ends, wherever it is; repeating it changes nothing. False: its record in Redis has not ended, as where Redis
   * came back older since it was read, and it stays what it was.
   */
  finish(id: string, state: TerminalGuestState): Promise<boolean>;
  /** Ends it as cancelled if its record has ended and it waits, claimed or not; false otherwise. */
  cancelWaiting(id: string): Promise<boolean>;
  /** To be called every `queue.lockRenewMs`. Guests that another leader took are dropped; answers how many are ours. */
  renewLocks(): Promise<number>;
  /** To be called about as often: clears up what crashes left, and forgets ended guests beyond their retention. */
  reconcile(): Promise<Reconciled>;

  waitingTotal(): number;
  /** Submissions that wait to be written. */
  submitting(): { readonly waiting: number; readonly max: number };
  /** Place among the tenant's waiting guests, from 1. Beyond the heads it is a lower bound. */
  placeInTenant(id: string): number;
  /** What a waiting guest waits for before a decision can consider it. */
  waitsFor(id: string): Promise<WaitsFor>;
  /** After guests were accepted by this process. */
  onSubmitted(listener: () => void): void;
  /** Waits for submissions under way. */
  close(): Promise<void>;
}

/** `connect`: opens a connection of that name. */
export async function openGuestQueue(
  options: GuestQueueOptions,
  connect = (name: string): Promise<LaneConnection> => connectLanes(options, name),
): Promise<GuestQueue> {
  const submitting = await connect(`gleaner-queue-submit:${options.zone}`);
  try {
    const claiming = await connect(`gleaner-queue-claim:${options.zone}`);
    return new LanedGuestQueue(options, submitting, claiming);
  } catch (thrown) {
    submitting.redis.disconnect();
    throw thrown;
  }
}

async function connectLanes(options: GuestQueueOptions, name: string): Promise<LaneConnection> {
  const { redisUrl, zone, settings, logger } = options;
  const redis = await connectRedis(redisUrl, { name, ...(logger === undefined ? {} : { logger }) });
  try {
    const lanes = await BullLaneQueues.open({ redis, keys: queueKeys(zone), lockMs: settings.lockMs });
    return { redis, lanes };
  } catch (thrown) {
    redis.disconnect();
    throw thrown;
  }
}

const randomIds: QueueIds = { newId: randomUUID, newGuestId };

/** Submitting and reading on one connection, the leader's work on another, so that neither waits behind the other. */
class LanedGuestQueue implements GuestQueue {
  readonly #connections: readonly Redis[];
  readonly #reader: GuestReader;
  readonly #buffer: SubmitBuffer;
  readonly #claims = new Claims();
  readonly #refill: Refill;
  readonly #departures: Departures;
  readonly #recovery: RecoveryOptions;
  readonly #retention: RetentionOptions;
  readonly #listeners: (() => void)[] = [];
  #exclusive: Promise<unknown> = Promise.resolve();
  /** What was claimed, or asked of the lanes, may have been answered into the broken connection. */
  #hasReconnected = false;

  constructor(
    { zone, settings, headsMax, clock = systemClock, ids = randomIds }: GuestQueueOptions,
    { redis: submitting, lanes: submitLanes }: LaneConnection,
    { redis, lanes }: LaneConnection,
  ) {
    const keys = queueKeys(zone);
    const { openPerTenantMax, openMax, headsPerLane, lockMs, endedKeptMax, endedKeptMs } = settings;
    this.#connections = [submitting, redis];
    redis.on("ready", () => (this.#hasReconnected = true));
    const admission = new Admission({
      redis: submitting,
      keys,
      run: queueScripts(submitting, keys),
      lanes: submitLanes,
      openPerTenantMax,
      openMax,
      clock,
      ids,
    });
    const flush = (some: readonly Submission[]) => admission.admit(some);
    this.#buffer = new SubmitBuffer({ flush, flushGuestsMax, backlogMax, clock });
    this.#reader = new GuestReader(submitting, keys);

    const run = queueScripts(redis, keys);
    const claims = this.#claims;
    const book = new LaneBook(redis, keys);
    const reader = new GuestReader(redis, keys);
    // Fences a leader that was deposed: BullMQ refuses to move what another token has locked.
    const token = ids.newId();
    const heldPerLaneMax = 2 * headsPerLane;
    const departures = new Departures({
      redis,
      run,
      claims,
      book,
      lanes,
      token,
      heldPerLaneMax,
      clock,
    });
    this.#departures = departures;
    this.#refill = new Refill({ redis, keys, claims, book, lanes, token, headsPerLane, headsMax, clock });
    this.#recovery = { redis, keys, run, claims, book, reader, token, lockMs, departures, clock };
    this.#retention = { redis, keys, run, reader, lanes, endedKeptMax, endedKeptMs, clock };
  }

  async submit(submissions: readonly Submission[]): Promise<readonly QueueOutcome[]> {
    const outcomes = await this.#buffer.submit(submissions);
    if (outcomes.some((outcome) => "created" in outcome)) for (const listener of this.#listeners) listener();
    return outcomes;
  }

  get(id: string): Promise<QueuedGuest | null> {
    return this.#reader.get(id);
  }

  list(query: GuestListQuery): Promise<QueuedGuest[]> {
    return this.#reader.list(query);
  }

  async openCounts(): Promise<ReadonlyMap<string, number>> {
    const { redis, keys } = this.#recovery;
    const counts = await ask(redis, redis.hgetall(keys.open));
    return new Map(Object.entries(counts).map(([tenant, count]) => [tenant, Number(count)]));
  }

  recover(records: GuestRecords): Promise<Recovered> {
    return this.#alone(() => recover(this.#recovery, records));
  }

  refill(): Promise<void> {
    return this.#alone(async () => {
      if (this.#hasReconnected) await this.#lookThroughLanes();
      await this.#refill.run();
    });
  }

  heads(): readonly WaitingGuest[] {
    return this.#claims.heads();
  }

  admit(id: string): boolean {
    return this.#claims.admit(id);
  }

  putBack(id: string, putBack: PutBack): Promise<void> {
    return this.#departures.putBack(id, putBack);
  }

  async finish(id: string, state: TerminalGuestState): Promise<boolean> {
    const guest = this.#claims.guest(id) ?? (await this.get(id));
    return guest === null || this.#departures.finish(guest, state);
  }

  async cancelWaiting(id: string): Promise<boolean> {
    const guest = this.#claims.guest(id) ?? (await this.get(id));
    if (guest === null) return false;
    if (await this.#departures.cancelWaiting(guest)) return true;
    // Perhaps it was on its way from its lane to the heads.
    return this.#alone(() => this.#departures.cancelWaiting(guest));
  }

  async renewLocks(): Promise<number> {
    const { redis, run, claims, token, lockMs } = this.#recovery;
    const ids = [...claims.ids()].filter((id) => claims.state(id) !== "leaving");
    let lost = 0;
    for (let at = 0; at < ids.length; at += locksAtOnce) {
      const some = ids.slice(at, at + locksAtOnce);
      const taken = await ask(redis, run("lock", [token, lockMs, "renew", ...some]));
      for (const id of taken) claims.remove(id);
      lost += taken.length;
    }
    return ids.length - lost;
  }

  async reconcile(): Promise<Reconciled> {
    const leftovers = await settleLeftovers(this.#retention);
    const adopted = await this.#alone(() => this.#lookThroughLanes());
    const trimmed = await trimEnded(this.#retention);
    return { leftovers, adopted, trimmed };
  }

  submitting(): { readonly waiting: number; readonly max: number } {
    return this.#buffer.backlog;
  }

  waitingTotal(): number {
    let total = this.#claims.waiting + this.#claims.held;
    for (const { unclaimed, delayed } of this.#recovery.book.lanes()) total += unclaimed + delayed;
    return total;
  }

  placeInTenant(id: string): number {
    return isGuestId(id) ? placeInTenant(id, this.#claims, this.#recovery.book) : 0;
  }

  async waitsFor(id: string): Promise<WaitsFor> {
    const state = this.#claims.state(id);
    if (state !== null) return state === "held" ? "backoff" : "decision";
    if (!isGuestId(id)) return "decision";
    const progress = await this.#reader.progress(id);
    if ((progress?.notBeforeMs ?? 0) > this.#recovery.clock.wallMs()) return "backoff";
    return this.#claims.lane(laneIdOf(id)).waiting > 0 ? "others" : "decision";
  }

  onSubmitted(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    await this.#buffer.idle();
    await this.#exclusive;
    for (const redis of this.#connections) redis.disconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #lookThroughLanes(): Promise<number> {
    this.#hasReconnected = false;
    try {
      return await adoptOrphans(this.#recovery);
    } catch (thrown) {
      this.#hasReconnected = true;
      throw thrown;
    } finally {
      this.#refill.lookAgain();
    }
  }

  /** What looks at lanes and claims as a whole runs one at a time. */
  #alone<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#exclusive.then(act);
    this.#exclusive = result.catch(() => {});
    return result;
  }
}
