import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { defaults } from "../config/defaults.ts";
import type { DeviceUuid } from "../core/device.ts";
import type { Lease } from "../core/lease.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { zoneKeys, type ZoneKeys } from "./keys.ts";
import type { Candidate, HeldLead, Lead } from "./lead.ts";
import { parseCauses, parseGuestRecord, parseLease } from "./lease-records.ts";
import type {
  GuestRecord,
  LeaseStep,
  LendRefusal,
  LendRequest,
  LendResult,
  QuarantineCause,
  StepRefusal,
  StepResult,
} from "./lease-records.ts";
import { changeOf, checkGrants, stepEvent } from "./lease-requests.ts";
import { ask, askAll } from "./redis-error.ts";
import { RequestIds } from "./request-ids.ts";
import { defineScripts } from "./scripts.ts";

export type * from "./lead.ts";
export type * from "./lease-records.ts";

/** Fields read, and leases renewed, by one command: Redis serves nobody else meanwhile. */
const batchMax = 1_000;

export interface LeaseStoreBounds {
  /** At this length of the ledger's stream nothing more is lent. */
  readonly streamEntriesMax: number;
  /** Records of ended guests beyond either are forgotten, oldest first. */
  readonly endedKeptMax: number;
  readonly endedKeptMs: number;
}

const defaultBounds: LeaseStoreBounds = { ...defaults.ledger, ...defaults.queue };

/**
 * The books of a zone: leases, guests' records, quarantines. Every change is one Lua script that checks the leader's epoch
 * and the invariants and writes the ledger's event with the change, so that neither exists without the other.
 *
 * Every method throws REDIS_UNREACHABLE when Redis does not answer: the change may have happened or not, and calling again
 * with the same step, guest or device does no harm. Where no other answer is named, a call under an epoch that is no
 * longer Redis's own throws LEADERSHIP_LOST; `Lead.lost` tells of it however it was answered.
 */
export class LeaseStore {
  readonly #redis: Redis;
  readonly #keys: ZoneKeys;
  readonly #bounds: LeaseStoreBounds;
  readonly #lends: RequestIds;
  readonly #steps: RequestIds;
  readonly #newId: () => string;
  #epoch = 0;
  #nonce = "";
  #lost = new AbortController();

  /** `newId`: names that nobody had before. */
  constructor(
    redis: Redis,
    zone: string,
    bounds: LeaseStoreBounds = defaultBounds,
    newId: () => string = randomUUID,
  ) {
    this.#newId = newId;
    defineScripts(redis);
    this.#lends = new RequestIds(newId);
    this.#steps = new RequestIds(newId);
    this.#redis = redis;
    this.#keys = zoneKeys(zone);
    this.#bounds = bounds;
  }

  /** Under which the books are written now. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Takes the lead unless another holds its lock. Whoever held it before and let it expire is deposed. */
  async campaign(candidate: Candidate, atMs: number): Promise<Lead | HeldLead> {
    const { lead, lock } = this.#keys;
    const { holder, address, lockMs } = candidate;
    const nonce = this.#newId();
    const words = [atMs, this.#epoch, nonce, holder, address, lockMs];
    const [answer, ...rest] = await ask(this.#redis, this.#redis.gleanerTakeLead(lead, lock, ...words));
    if (answer === "held") {
      const [heldBy, leftMs] = rest as [string, number];
      return { heldBy, leftMs };
    }
    const [epoch, generation, number] = rest as [number, number, number];
    this.#epoch = epoch;
    this.#nonce = nonce;
    this.#lost = new AbortController();
    return { epoch, nonce, generation, number, lost: this.#lost.signal };
  }

  /** Holds the lock for another `lockMs` from when Redis hears of it. */
  async holdLock({ holder, address, lockMs }: Candidate): Promise<void> {
    const { lead, lock } = this.#keys;
    const command = this.#redis.gleanerHoldLead(lead, lock, this.#reign, holder, address, lockMs);
    this.#unlessStale(await ask(this.#redis, command));
  }

  /** Gives the lock up, so that the next one need not wait until it expires. */
  async releaseLock({ holder, address }: Candidate): Promise<void> {
    const { lead, lock } = this.#keys;
    await ask(this.#redis, this.#redis.gleanerHoldLead(lead, lock, this.#reign, holder, address, 0));
  }

  /** For a leader that finds itself that it leads no more: aborts `Lead.lost`. */
  lose(): GleanerError {
    const lost = new GleanerError("LEADERSHIP_LOST", { epoch: this.#epoch });
    this.#lost.abort(lost);
    return lost;
  }

  /** By which the scripts know this leader: two that took the same epoch, in two pasts of one Redis, are told apart. */
  get #reign(): string {
    return reignOf(this.#epoch, this.#nonce);
  }

  /**
   * For a Redis that came back older than what agents have seen: from now on tokens are larger than each of
   * `aboveGeneration`, and the epoch is larger than `aboveEpoch`. Answers the generation that stands.
   */
  async raiseGeneration(aboveGeneration: number, aboveEpoch = 0): Promise<number> {
    const { lead } = this.#keys;
    const [before, reign] = [this.#epoch, this.#reign];
    // Already for what is sent behind it on the same connection.
    this.#epoch = Math.max(before, aboveEpoch + 1);
    const command = this.#redis.gleanerRaiseGeneration(lead, reign, aboveGeneration, this.#epoch);
    return this.#unlessStale(await ask(this.#redis, command));
  }

  /**
   * Each request for itself, in order. Where an earlier call for the guest threw and had been carried out after all, the
   * answer is the lease of then, on the devices of then.
   */
  async lend(requests: readonly LendRequest[], atMs: number): Promise<readonly LendResult[]> {
    for (const request of requests) checkGrants(request);
    const { lead, guests, leases, devices, quarantines, ledger } = this.#keys;
    const bound = this.#bounds.streamEntriesMax;
    const guestIds = requests.map(({ guestId }) => guestId);
    const replies = await this.#lends.ask(guestIds, async (ids) => {
      const pipeline = this.#redis.pipeline();
      for (const [index, request] of requests.entries()) {
        const reign = reignOf(request.epoch, this.#nonce);
        const json = JSON.stringify({ ...request, reign, request: ids[index] });
        pipeline.gleanerLend(lead, guests, leases, devices, quarantines, ledger, json, atMs, bound);
      }
      return (await askAll(this.#redis, pipeline)) as Reply[];
    });
    return replies.map(([answer, detail], index) => {
      if (answer === "lent") return { lent: parseLease(detail) };
      if (detail === "stale_epoch" && requests[index]?.epoch === this.#epoch) this.lose();
      return { refused: detail as LendRefusal };
    });
  }

  /** Each step for itself, in order, and each once. After a throw, the same steps again are answered as the first time. */
  async applySteps(steps: readonly LeaseStep[]): Promise<readonly StepResult[]> {
    const results: StepResult[] = [];
    // What a broken connection has not answered the driver sends again, not always in order: two steps of one lease never at once.
    for (const some of eachLeaseOnce(steps)) results.push(...(await this.#apply(some)));
    return results;
  }

  async #apply(steps: readonly LeaseStep[]): Promise<readonly StepResult[]> {
    const { lead, guests, ended, leases, unproven, devices, quarantines, ledger } = this.#keys;
    const keys = [lead, guests, ended, leases, unproven, devices, quarantines, ledger];
    const { endedKeptMax, endedKeptMs } = this.#bounds;
    const names = steps.map(({ leaseId, step }) => `${leaseId} ${step}`);
    const replies = await this.#steps.ask(names, async (ids) => {
      const pipeline = this.#redis.pipeline();
      for (const [index, step] of steps.entries()) {
        const change = JSON.stringify({ ...changeOf(step), request: ids[index] });
        const event = JSON.stringify(stepEvent(step));
        pipeline.gleanerApplyStep(...keys, this.#reign, change, event, endedKeptMax, endedKeptMs);
      }
      return (await askAll(this.#redis, pipeline)) as Reply[];
    });
    return replies.map(([answer, detail]) => {
      if (detail === "stale_epoch") this.lose();
      if (answer !== "applied") return { applied: false, why: detail as StepRefusal };
      const record = parseGuestRecord(detail);
      return { applied: true, guestState: record.state, record };
    });
  }

  /**
   * A guest that has no live lease ends as cancelled at once; one that has ends so when that lease does, however it ends,
   * unless the guest is done first. A guest that has ended stays as it ended.
   */
  async cancel(guestId: string, tenant: string, reason: string, atMs: number): Promise<GuestRecord> {
    const { lead, guests, ended, ledger } = this.#keys;
    const { endedKeptMax, endedKeptMs } = this.#bounds;
    const change = [this.#reign, guestId, tenant, reason, atMs, endedKeptMax, endedKeptMs];
    const command = this.#redis.gleanerCancel(lead, guests, ended, ledger, ...change);
    return parseGuestRecord(this.#unlessStale(await ask(this.#redis, command)));
  }

  /** Those of the leases that live in the books. To be asked without any too: it tells a leader that was deposed. */
  async renew(leaseIds: readonly string[]): Promise<ReadonlySet<string>> {
    const { lead, leases } = this.#keys;
    const live = new Set<string>();
    for (const batch of leaseIds.length === 0 ? [[]] : batches(leaseIds)) {
      const command = this.#redis.gleanerRenew(lead, leases, this.#reign, ...batch);
      for (const id of this.#unlessStale(await ask(this.#redis, command))) live.add(id);
    }
    return live;
  }

  async liveLeases(): Promise<Lease[]> {
    return [...(await this.#entries(this.#keys.leases)).values()].map(parseLease);
  }

  /** Leases that ended without a proven hand-back: a later `released` step of theirs frees their devices. */
  async unprovenLeases(): Promise<Lease[]> {
    return [...(await this.#entries(this.#keys.unproven)).values()].map(parseLease);
  }

  /** Of those guests that have one; the others are fresh. */
  async guestRecords(ids: readonly string[]): Promise<Map<string, GuestRecord>> {
    const pipeline = this.#redis.pipeline();
    for (const batch of batches(ids)) pipeline.hmget(this.#keys.guests, ...batch);
    const replies = (await askAll(this.#redis, pipeline)) as (string | null)[][];
    const records = new Map<string, GuestRecord>();
    replies.flat().forEach((json, index) => {
      const id = ids[index];
      if (json !== null && id !== undefined) records.set(id, parseGuestRecord(json));
    });
    return records;
  }

  /** Devices that are out of use, each with its causes by name, the oldest first. */
  async quarantines(): Promise<Map<DeviceUuid, ReadonlyMap<string, QuarantineCause>>> {
    const entries = await this.#entries(this.#keys.quarantines);
    return new Map([...entries].map(([device, json]) => [device, parseCauses(json)]));
  }

  /**
   * Adds a cause (reason set) or lifts it (null). A device is lent again when no cause is left (I10). A lease whose hand-back
   * was not proven is a cause too, which its proof lifts.
   */
  async setQuarantine(device: DeviceUuid, reason: string | null, atMs: number, cause: string): Promise<void> {
    const { lead, quarantines, ledger } = this.#keys;
    const change = [this.#reign, device, cause, reason === null ? "lift" : "add", reason ?? "", atMs];
    const command = this.#redis.gleanerSetQuarantine(lead, quarantines, ledger, ...change);
    this.#unlessStale(await ask(this.#redis, command));
  }

  async #entries(key: string): Promise<Map<string, string>> {
    const entries = new Map<string, string>();
    let cursor = "0";
    do {
      const [next, found] = await ask(this.#redis, this.#redis.hscan(key, cursor, "COUNT", batchMax));
      for (let at = 0; at + 1 < found.length; at += 2) entries.set(found[at] ?? "", found[at + 1] ?? "");
      cursor = next;
    } while (cursor !== "0");
    return entries;
  }

  /** MiB that were used before guests came, of devices that have not been seen to be back there. */
  async memoryBefore(): Promise<Map<DeviceUuid, number>> {
    const entries = await this.#entries(this.#keys.memoryBefore);
    return new Map([...entries].map(([device, mib]) => [device, Number(mib)]));
  }

  /** null: the device's memory is back there, or its owner's. */
  async setMemoryBefore(changes: readonly (readonly [DeviceUuid, number | null])[]): Promise<void> {
    const { lead, memoryBefore } = this.#keys;
    for (const batch of batches(changes)) {
      const words = batch.flatMap(([device, mib]) => [device, mib ?? ""]);
      const command = this.#redis.gleanerSetMemoryBefore(lead, memoryBefore, this.#reign, ...words);
      this.#unlessStale(await ask(this.#redis, command));
    }
  }

  #unlessStale<T>(reply: T | null): T {
    if (reply === null) throw this.lose();
    return reply;
  }
}

function reignOf(epoch: number, nonce: string): string {
  return `${epoch}:${nonce}`;
}

type Reply = readonly [answer: string, detail: string];

function* batches<T>(items: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < items.length; at += batchMax) yield items.slice(at, at + batchMax);
}

function* eachLeaseOnce(steps: readonly LeaseStep[]): Iterable<readonly LeaseStep[]> {
  let some = new Map<string, LeaseStep>();
  for (const step of steps) {
    if (some.has(step.leaseId)) {
      yield [...some.values()];
      some = new Map();
    }
    some.set(step.leaseId, step);
  }
  if (some.size > 0) yield [...some.values()];
}
