import type { Category } from "../account-category.ts";
import type { PoolCount } from "./pool-count.ts";

/** What is asked of the books. */
export interface DemandQuery {
  readonly pools: readonly string[];
  readonly fromMs: number;
  readonly stepMs: number;
}

/** Ticks of the past: the first at `fromMs`, then every `stepMs`. */
export interface Ticks {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly count: number;
}

/** What would have been counted of a pool, by tick. */
export interface PoolPast extends Readonly<Record<keyof PoolCount, Int32Array<ArrayBuffer>>> {
  readonly pool: string;
}

export interface DemandPast {
  readonly ticks: Ticks;
  readonly pools: readonly PoolPast[];
}

/** What a device, or a part of it, did from one time until another. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly category: Category;
  readonly reason: string;
}

/** Where parts of a device differ, the larger number says what the device is. */
const [absent, unknown, idle, lent, busy] = [0, 1, 2, 3, 4] as const;

/** What an owner was found with is booked up to so much before or after the guest's first step away. */
const apartMs = 10_000;

/** While a device is quarantined nobody would say what its owner does. */
const rankOf: Readonly<Record<Category, number>> = {
  owner_busy: busy,
  idle_unlent: idle,
  starting: lent,
  useful: lent,
  paused: lent,
  lost: lent,
  handing_back: lent,
  quarantined: unknown,
  unknown,
};

/** Reasons for which an idle device is not lent that are its owner's word: it is theirs as if they worked there. */
const ownersWord: ReadonlySet<string> = new Set(["held", "hinted"]);

/** Pools' demand at ticks of the past, from the account of device time. */
export class DemandSampler {
  readonly #ticks: Ticks;
  readonly #ranks: Uint8Array;
  readonly #pools = new Map<string, PoolPast>();

  constructor(ticks: Ticks) {
    this.#ticks = ticks;
    this.#ranks = new Uint8Array(ticks.count);
  }

  /**
   * All that a device did, in any order, and when its owner found a guest there. One that telemetry never told of is left out: it
   * is gone, and the books do not know.
   */
  addDevice(pool: string, stretches: readonly Stretch[], metMs: readonly number[]): void {
    const ranks = this.#ranks.fill(absent);
    let isKnown = false;
    let isOwnersUntilMs = -Infinity;
    for (const stretch of stretches.toSorted((a, b) => a.fromMs - b.fromMs)) {
      const { fromMs, toMs } = stretch;
      const rank = isHandedBack(stretch, metMs, isOwnersUntilMs) ? busy : rankOfStretch(stretch);
      if (rank === busy) isOwnersUntilMs = Math.max(isOwnersUntilMs, toMs);
      const end = Math.min(ranks.length, this.#tickFrom(toMs));
      for (let tick = Math.max(0, this.#tickFrom(fromMs)); tick < end; tick++) {
        if (ranks[tick]! < rank) ranks[tick] = rank;
        if (rank >= idle) isKnown = true;
      }
    }
    if (isKnown) this.#count(ranks, this.#pastOf(pool));
  }

  #count(ranks: Uint8Array, past: PoolPast): void {
    for (let tick = 0; tick < ranks.length; tick++) {
      const rank = ranks[tick]!;
      if (rank !== absent) past.total[tick]!++;
      if (rank >= idle) past.known[tick]!++;
      if (rank === busy) past.busy[tick]!++;
      if (rank === lent) past.lent[tick]!++;
    }
  }

  /** An owner took a device, or found a guest on it: counted at the next tick. */
  addReturn(pool: string, atMs: number, name: "returns" | "met_returns"): void {
    const tick = this.#tickFrom(atMs);
    if (tick < 0 || tick >= this.#ticks.count) return;
    const past = this.#pastOf(pool);
    (name === "returns" ? past.taken : past.evicted)[tick]!++;
  }

  past(): DemandPast {
    return { ticks: this.#ticks, pools: [...this.#pools.values()] };
  }

  /** The first tick that is not before the time. */
  #tickFrom(atMs: number): number {
    return Math.ceil((atMs - this.#ticks.fromMs) / this.#ticks.stepMs);
  }

  #pastOf(pool: string): PoolPast {
    let past = this.#pools.get(pool);
    if (past === undefined) {
      const zeros = () => new Int32Array(this.#ticks.count);
      past = {
        pool,
        total: zeros(),
        known: zeros(),
        busy: zeros(),
        lent: zeros(),
        taken: zeros(),
        evicted: zeros(),
      };
      this.#pools.set(pool, past);
    }
    return past;
  }
}

function rankOfStretch({ category, reason }: Stretch): number {
  return category === "idle_unlent" && ownersWord.has(reason) ? busy : rankOf[category];
}

/** To an owner who waits for it. A guest that leaves by itself hands back as well, and that is no demand. */
function isHandedBack({ category, fromMs, toMs }: Stretch, metMs: readonly number[], ownersUntilMs: number) {
  if (category !== "handing_back") return false;
  return ownersUntilMs >= fromMs || metMs.some((ms) => ms > fromMs - apartMs && ms <= toMs);
}
