import type { Settings } from "../config/settings.ts";
import type { Lease } from "../core/lease.ts";
import type { PoolPolicy } from "../core/policy.ts";
import type { LeaseStep } from "../api/convert/lease.ts";
import { Reserve, type PoolReading } from "../core/reserve/reserve.ts";
import type { Limit } from "../core/reserve/shadow.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { GuestMoves } from "./guest-moves.ts";
import { believedCosts, lendingTerms, ownerOf } from "./lending-terms.ts";
import { isMeeting } from "./meeting.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import { OwnerStays } from "./owner-stays.ts";
import { pastTicks } from "./past-ticks.ts";
import { newPoolCount, type PoolCount } from "./pool-count.ts";
import { Slices } from "./slices.ts";
import type { Books } from "./surroundings.ts";

/** So long a reserve that begins anew keeps new guests out where it must, and calls nobody back: what it says rests on belief. */
const coldS = 86_400;
/** So much of the past is learned from the books at the start, as long as they keep to the ms. */
const pastMs = 48 * 3_600_000;
/** Books that cannot be read now may be in a moment; a pool waits for them no longer than for so many tries. */
const readsMax = 30;
/** Ticks between the end of what the books told and the first one that is seen: more is a gap. */
const unseenMax = 4;

interface PoolReservesParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly moves: GuestMoves;
  readonly books: Pick<Books, "demand">;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One owner's pools that do the same to guests, under the strictest of their numbers. */
interface Owner {
  readonly reserve: Reserve;
  max: number;
  readonly pools: Set<string>;
  /** Wall clock less monotonic, ms, when it began: later jumps of the wall clock do not reach it. */
  readonly wallFromMs: number;
  /** Owners' time, s: before, what was lent by a predecessor's lights is not called back. */
  warmFromS: number;
  /** Tries to read the books that are left; null: it has learned of the past, or must do without. */
  readsLeft: number | null;
}

interface Limited {
  /** Of one of them. */
  readonly policy: PoolPolicy;
  max: number;
  readonly pools: string[];
}

/**
 * How many devices of a pool may be lent at once, so that owners who take some hardly ever meet a guest: their policies'
 * `waitedShareMax`, held by one reserve for all pools of an owner. Asked once in a sampling interval; what is lent
 * beyond the answer leaves. A reserve begins with what the books tell of the last days; until it has learned that, nothing
 * new is lent.
 */
export class PoolReserves {
  readonly #parts: PoolReservesParts;
  readonly #owners = new Map<string, Owner>();
  readonly #levels = new Map<string, number>();
  readonly #stays = new OwnerStays();
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
    const { devices } = this.#parts.fleet;
    this.#stays.tell(before.grants.map(({ device }) => device).filter((device) => devices.has(device)));
  }

  async tick(): Promise<void> {
    const { fleet, moves } = this.#parts;
    const owners = this.#limitsOf(fleet.pools().filter((pool) => fleet.devicesIn(pool) > 0));
    const counts = await this.#count([...owners.values()].flatMap(({ pools }) => pools));
    for (const [key, owner] of this.#owners) {
      if (owners.has(key)) continue;
      for (const pool of owner.pools) this.#forget(owner, pool);
      this.#owners.delete(key);
    }
    const limited = new Set<string>();
    const surpluses = new Map<string, number>();
    for (const [key, { policy, max, pools }] of owners) {
      const owner = this.#ownerOf(key, policy, max);
      const timeS = this.#ownersTimeS(this.#nowMs(owner));
      for (const pool of owner.pools) if (!pools.includes(pool)) this.#forget(owner, pool);
      if (owner.readsLeft !== null) {
        for (const pool of pools) owner.pools.add(pool);
        continue;
      }
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

  /** Teaches reserves that begin what the books tell of their pools, in slices. */
  async learn(signal: AbortSignal): Promise<void> {
    const beginners = [...this.#owners.values()].filter(({ readsLeft }) => readsLeft !== null);
    if (beginners.length === 0) return;
    try {
      await this.#learnPast(beginners, signal);
      for (const owner of beginners) owner.readsLeft = null;
    } catch (thrown) {
      if (!signal.aborted) for (const owner of beginners) this.#readInVain(owner, thrown);
    }
  }

  #readInVain(owner: Owner, why: unknown): void {
    owner.readsLeft = owner.readsLeft! - 1;
    if (owner.readsLeft > 0) return;
    owner.readsLeft = null;
    const pools = [...owner.pools];
    for (const pool of pools) this.#lost.add(pool);
    this.#parts.log.warn(
      { err: why, pools },
      "the books do not tell of the pools' last days: their reserve begins anew",
    );
  }

  async #learnPast(owners: readonly Owner[], signal: AbortSignal): Promise<void> {
    const { clock, settings, books, log } = this.#parts;
    const stepMs = settings.telemetry.sampleIntervalMs;
    const slices = new Slices(clock);
    const nowMs = () => this.#nowMs(owners[0]!);
    const pools = owners.flatMap((owner) => [...owner.pools]);
    const learnedTicks = new Map<Owner, number>();
    let lastMs = -Infinity;
    const query = { pools, fromMs: nowMs() - pastMs, stepMs };
    for await (const { atMs, counts } of pastTicks({ books, query, nowMs, signal })) {
      for (const owner of owners) {
        signal.throwIfAborted();
        // A pool that left meanwhile is another owner's, or nobody's.
        const readings = [...owner.pools].flatMap((pool) => {
          const count = counts.get(pool);
          return count === undefined ? [] : (this.#readingOf(pool, count) ?? []);
        });
        owner.reserve.decide(this.#ownersTimeS(atMs), readings);
        if (readings.length > 0) learnedTicks.set(owner, (learnedTicks.get(owner) ?? 0) + 1);
        await slices.breathe();
      }
      lastMs = atMs;
    }
    for (const owner of owners) {
      // Whether the number held then, or anybody was lent to at all, the books do not know: nothing is owed or spared.
      owner.reserve.setLimit(limitOf(owner.max));
      owner.warmFromS -= this.#ownersTimeS((learnedTicks.get(owner) ?? 0) * stepMs);
    }
    if (nowMs() - lastMs > unseenMax * stepMs) for (const pool of pools) this.#lost.add(pool);
    const ticks = Math.max(0, ...learnedTicks.values());
    log.info({ pools: pools.length, ticks }, "pools' reserves have learned of the last days from the books");
  }

  /** Wall clock as it went on from when the owner's reserve began. */
  #nowMs({ wallFromMs }: Pick<Owner, "wallFromMs">): number {
    return wallFromMs + this.#parts.clock.monotonicMs();
  }

  #ownersTimeS(ms: number): number {
    return (ms * this.#parts.settings.forecast.speed) / 1_000;
  }

  /** By owner, and what their returns do to guests. */
  #limitsOf(pools: readonly string[]): Map<string, Limited> {
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
  #readingOf(pool: string, { total, known, busy, lent, evicted, taken }: PoolCount): PoolReading | null {
    if (total === 0 || known * 2 < total) {
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

  async #count(pools: readonly string[]): Promise<Map<string, PoolCount>> {
    const { fleet, clock } = this.#parts;
    const slices = new Slices(clock);
    const nowMs = clock.monotonicMs();
    const counts = new Map(pools.map((pool) => [pool, newPoolCount()]));
    if (counts.size === 0) return counts;
    let looked = 0;
    for (const device of fleet.devices.values()) {
      if (++looked % 1_024 === 0) await slices.breathe();
      const count = counts.get(device.info.pool);
      if (count === undefined) this.#stays.forget(device.info.uuid);
      else this.#countIn(count, device, nowMs);
    }
    return counts;
  }

  /** An owner's recall, hold or hint is demand like work on a device; of what is lent that counts where the owner is away. */
  #countIn(count: PoolCount, device: Device, nowMs: number): void {
    const { info, tracker, recalls, leases, quarantine, restUntilMs } = device;
    const { state } = tracker.at(nowMs);
    const isKnown = state !== "unknown" && quarantine === null;
    const isUsed = state === "busy" || recalls.size > 0 || this.#parts.signals.standsAgainst(info) !== null;
    const begun = this.#stays.look(info.uuid, { isUsed, isKnown, isResting: nowMs < restUntilMs });
    if (begun.includes("returns")) count.taken += 1;
    if (begun.includes("met_returns")) count.evicted += 1;
    count.total += 1;
    if (!isKnown) return;
    count.known += 1;
    if (isUsed) count.busy += 1;
    else if (leases.size > 0) count.lent += 1;
  }

  #ownerOf(key: string, policy: PoolPolicy, max: number): Owner {
    const known = this.#owners.get(key);
    if (known !== undefined) {
      if (known.max !== max) known.reserve.setLimit(limitOf(max));
      known.max = max;
      return known;
    }
    const { settings, clock } = this.#parts;
    const { met, evictedS, resumeS, endS } = lendingTerms(policy, believedCosts(settings), settings);
    const { speed } = settings.forecast;
    const penaltyS = (met === "pause" ? resumeS : evictedS) * speed;
    const reserve = new Reserve({ penaltyS, vacateS: endS * speed, limit: limitOf(max) });
    const wallMs = clock.wallMs();
    const owner = {
      reserve,
      max,
      pools: new Set<string>(),
      wallFromMs: wallMs - clock.monotonicMs(),
      warmFromS: this.#ownersTimeS(wallMs) + coldS,
      readsLeft: readsMax,
    };
    this.#owners.set(key, owner);
    return owner;
  }
}

function limitOf(max: number): Limit {
  return { counts: "waited", max };
}
