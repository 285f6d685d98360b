import type { Settings } from "../config/settings.ts";
import type { DeviceUuid } from "../core/device.ts";
import type { Lease } from "../core/lease.ts";
import type { PoolPolicy } from "../core/policy.ts";
import type { LeaseStep } from "../api/convert/lease.ts";
import { Reserve, type PoolReading } from "../core/reserve/reserve.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Fleet } from "./fleet.ts";
import type { GuestMoves } from "./guest-moves.ts";
import { believedCosts, lendingTerms, ownerOf } from "./lending-terms.ts";
import { isMeeting } from "./meeting.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import { Slices } from "./slices.ts";

/** So long a reserve that begins anew keeps new guests out where it must, and calls nobody back: what it says rests on belief. */
const coldS = 86_400;

interface PoolReservesParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly moves: GuestMoves;
  readonly settings: Settings;
  readonly clock: Clock;
}

/** One owner's pools that do the same to guests, under the strictest of their numbers. */
interface Owner {
  readonly reserve: Reserve;
  max: number;
  readonly pools: Set<string>;
  /** Owners' time, s: before, what was lent by a predecessor's lights is not called back. */
  readonly warmFromS: number;
}

interface Limited {
  /** Of one of them. */
  readonly policy: PoolPolicy;
  max: number;
  readonly pools: string[];
}

interface Count {
  total: number;
  known: number;
  busy: number;
  lent: number;
  /** Since the last tick, by owners: from guests, and with what was free. */
  evicted: number;
  taken: number;
}

/**
 * How many devices of a pool may be lent at once, so that owners who take some hardly ever meet a guest: their policies'
 * `waitedShareMax`, held by one reserve for all pools of an owner. Asked once in a sampling interval; what is lent
 * beyond the answer leaves.
 */
export class PoolReserves {
  readonly #parts: PoolReservesParts;
  readonly #owners = new Map<string, Owner>();
  readonly #levels = new Map<string, number>();
  /** Since the last tick: devices on which owners found a guest. */
  readonly #met = new Set<DeviceUuid>();
  /** At the last tick: devices that owners did not use. */
  #free = new Set<DeviceUuid>();
  /** Pools that the last tick left out, since too little was known of them. */
  readonly #lost = new Set<string>();

  constructor(parts: PoolReservesParts) {
    this.#parts = parts;
  }

  /** null: the owner sets no limit. Before the first tick nothing new is lent. */
  lentMaxOf(pool: string): number | null {
    if (this.#parts.signals.policyOf(pool).waitedShareMax === null) return null;
    return this.#levels.get(pool) ?? 0;
  }

  /** Called for every step. */
  stepped(before: Lease, { mover }: LeaseStep): void {
    if (!isMeeting(before, mover)) return;
    for (const { device } of before.grants) if (this.#parts.fleet.devices.has(device)) this.#met.add(device);
  }

  async tick(): Promise<void> {
    const { settings, clock, moves } = this.#parts;
    const timeS = (clock.monotonicMs() * settings.forecast.speed) / 1_000;
    const counts = await this.#count();
    const owners = this.#limitsOf(counts.keys());
    for (const [key, owner] of this.#owners) {
      if (owners.has(key)) continue;
      for (const pool of owner.pools) this.#forget(owner, pool);
      this.#owners.delete(key);
    }
    const limited = new Set<string>();
    const surpluses = new Map<string, number>();
    for (const [key, { policy, max, pools }] of owners) {
      const owner = this.#ownerOf(key, policy, max, timeS);
      for (const pool of owner.pools) if (!pools.includes(pool)) this.#forget(owner, pool);
      const readings = pools.flatMap((pool) => this.#readingOf(pool, counts.get(pool)!) ?? []);
      for (const pool of pools) {
        owner.pools.add(pool);
        limited.add(pool);
      }
      for (const { pool, lent } of owner.reserve.decide(timeS, readings)) {
        this.#levels.set(pool, lent);
        const surplus = counts.get(pool)!.lent - lent;
        if (surplus > 0 && timeS >= owner.warmFromS) surpluses.set(pool, surplus);
      }
    }
    if (surpluses.size > 0) await moves.leave(surpluses);
    for (const pool of this.#levels.keys()) if (!limited.has(pool)) this.#levels.delete(pool);
  }

  /** By owner, and what their returns do to guests. */
  #limitsOf(pools: Iterable<string>): Map<string, Limited> {
    const owners = new Map<string, Limited>();
    for (const pool of pools) {
      const policy = this.#parts.signals.policyOf(pool);
      const max = policy.waitedShareMax;
      if (max === null) continue;
      const key = `${ownerOf(policy)} ${policy.firstRung === "pause"}`;
      const known = owners.get(key);
      if (known === undefined) owners.set(key, { policy, max, pools: [pool] });
      else {
        known.max = Math.min(known.max, max);
        known.pools.push(pool);
      }
    }
    return owners;
  }

  /** null: too little is known of the pool. */
  #readingOf(pool: string, { total, known, busy, lent, evicted, taken }: Count): PoolReading | null {
    if (known * 2 < total) {
      this.#lost.add(pool);
      return null;
    }
    const afterGap = this.#lost.delete(pool);
    return { pool, gpusTotal: known, gpusBusy: busy, gpusPending: 0, lent, evicted, taken, afterGap };
  }

  #forget(owner: Owner, pool: string): void {
    owner.pools.delete(pool);
    owner.reserve.forget(pool);
    this.#lost.delete(pool);
  }

  /** An owner's recall, hold or hint is demand like work on a device; of what is lent that counts where the owner is away. */
  async #count(): Promise<Map<string, Count>> {
    const { fleet, signals, clock } = this.#parts;
    const slices = new Slices(clock);
    const nowMs = clock.monotonicMs();
    const counts = new Map<string, Count>();
    const wasFree = this.#free;
    this.#free = new Set();
    let looked = 0;
    for (const { info, tracker, recalls, leases, quarantine } of fleet.devices.values()) {
      if (++looked % 1_024 === 0) await slices.breathe();
      let count = counts.get(info.pool);
      if (count === undefined) counts.set(info.pool, (count = newCount()));
      count.total += 1;
      const { state } = tracker.at(nowMs);
      const isKnown = state !== "unknown" && quarantine === null;
      const isUsed = state === "busy" || recalls.size > 0 || signals.standsAgainst(info) !== null;
      // A short visit is over by now, and was one all the same.
      const met = this.#met.delete(info.uuid);
      if (met) count.evicted += 1;
      if (met || (isKnown && isUsed && wasFree.has(info.uuid))) count.taken += 1;
      if (!isKnown) continue;
      count.known += 1;
      if (isUsed) count.busy += 1;
      else this.#free.add(info.uuid);
      if (!isUsed && leases.size > 0) count.lent += 1;
    }
    return counts;
  }

  #ownerOf(key: string, policy: PoolPolicy, max: number, timeS: number): Owner {
    const limit = { counts: "waited", max } as const;
    const known = this.#owners.get(key);
    if (known !== undefined) {
      if (known.max !== max) known.reserve.setLimit(limit);
      known.max = max;
      return known;
    }
    const { settings } = this.#parts;
    const { met, evictedS, resumeS, endS } = lendingTerms(policy, believedCosts(settings), settings);
    const { speed } = settings.forecast;
    const penaltyS = (met === "pause" ? resumeS : evictedS) * speed;
    const reserve = new Reserve({ penaltyS, vacateS: endS * speed, limit });
    const owner = { reserve, max, pools: new Set<string>(), warmFromS: timeS + coldS };
    this.#owners.set(key, owner);
    return owner;
  }
}

function newCount(): Count {
  return { total: 0, known: 0, busy: 0, lent: 0, evicted: 0, taken: 0 };
}
