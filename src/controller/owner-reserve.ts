import type { Settings } from "../config/settings.ts";
import type { PoolPolicy } from "../core/policy.ts";
import { Reserve, type PoolLend, type PoolReading } from "../core/reserve/reserve.ts";
import type { Limit } from "../core/reserve/shadow.ts";
import type { Clock } from "../runtime/clock.ts";
import { believedCosts, lendingTerms } from "./lending-terms.ts";
import type { PoolCount } from "../core/reserve/pool-count.ts";

/** So long a reserve must have seen or learned before it calls anybody back: until then what it says rests on belief. */
const coldS = 86_400;
/** Ticks between the end of what it learned and the first one that it sees, besides what books may be behind: more is a gap. */
const unseenMax = 4;

interface OwnerReserveParts {
  readonly policy: PoolPolicy;
  readonly waitedShareMax: number;
  readonly settings: Settings;
  readonly clock: Clock;
}

/**
 * The reserve of one owner's pools that do the same to guests, from counts of their devices. It is told owners' time, which runs
 * `forecast.speed` times as fast as the wall clock as it was when this began: later jumps do not reach it.
 */
export class OwnerReserve {
  readonly pools = new Set<string>();
  readonly #reserve: Reserve;
  #waitedShareMax: number;
  readonly #clock: Clock;
  readonly #speed: number;
  readonly #stepMs: number;
  readonly #unseenMsMax: number;
  readonly #wallFromMs: number;
  #warmFromS: number;
  #learnedToMs = -Infinity;
  /** Pools that the last tick left out, since too little was known of them. */
  readonly #lost = new Set<string>();

  constructor({ policy, waitedShareMax, settings, clock }: OwnerReserveParts) {
    const { met, evictedS, resumeS, endS } = lendingTerms(policy, believedCosts(settings), settings);
    const { speed } = settings.forecast;
    const penaltyS = (met === "pause" ? resumeS : evictedS) * speed;
    this.#reserve = new Reserve({ penaltyS, vacateS: endS * speed, limit: limitOf(waitedShareMax) });
    this.#waitedShareMax = waitedShareMax;
    this.#clock = clock;
    this.#speed = speed;
    this.#stepMs = settings.telemetry.sampleIntervalMs;
    // The books are as far as their last entry, and the controller writes that it lives.
    this.#unseenMsMax = unseenMax * this.#stepMs + 2 * settings.ledger.aliveIntervalMs;
    this.#wallFromMs = clock.wallMs() - clock.monotonicMs();
    this.#warmFromS = this.#ownersTimeS(this.nowMs) + coldS;
  }

  /** Wall clock as it went on from when this began. */
  get nowMs(): number {
    return this.#wallFromMs + this.#clock.monotonicMs();
  }

  /** Whether guests may be called back for what it says: before, a predecessor's lights count for more. */
  get isWarm(): boolean {
    return this.#ownersTimeS(this.nowMs) >= this.#warmFromS;
  }

  /** From now on: what is known of other pools is dropped. */
  keepTo(pools: readonly string[], waitedShareMax: number): void {
    for (const pool of this.pools) if (!pools.includes(pool)) this.#forget(pool);
    for (const pool of pools) this.pools.add(pool);
    if (this.#waitedShareMax !== waitedShareMax) this.#reserve.setLimit(limitOf(waitedShareMax));
    this.#waitedShareMax = waitedShareMax;
  }

  /** -> a level for each pool of which enough is known. */
  decide(counts: ReadonlyMap<string, PoolCount>): PoolLend[] {
    return this.#reserve.decide(this.#ownersTimeS(this.nowMs), this.#readingsOf(counts));
  }

  /** A tick of the past, in the order of time; what it has learned already it passes over. */
  learn(atMs: number, counts: ReadonlyMap<string, PoolCount>): void {
    if (atMs <= this.#learnedToMs) return;
    this.#learnedToMs = atMs;
    const readings = this.#readingsOf(counts);
    this.#reserve.decide(this.#ownersTimeS(atMs), readings);
    if (readings.length > 0) this.#warmFromS -= this.#ownersTimeS(this.#stepMs);
  }

  /** What comes next is seen. */
  endLearning(): void {
    // Whether the number held then, or anybody was lent to at all, nobody knows: nothing is owed or spared.
    this.#reserve.setLimit(limitOf(this.#waitedShareMax));
    if (this.nowMs - this.#learnedToMs > this.#unseenMsMax)
      for (const pool of this.pools) this.#lost.add(pool);
  }

  #readingsOf(counts: ReadonlyMap<string, PoolCount>): PoolReading[] {
    return [...this.pools].flatMap((pool) => {
      const count = counts.get(pool);
      return count === undefined ? [] : (this.#readingOf(pool, count) ?? []);
    });
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

  #forget(pool: string): void {
    this.pools.delete(pool);
    this.#reserve.forget(pool);
    this.#lost.delete(pool);
  }

  #ownersTimeS(ms: number): number {
    return (ms * this.#speed) / 1_000;
  }
}

function limitOf(waitedShareMax: number): Limit {
  return { counts: "waited", max: waitedShareMax };
}
