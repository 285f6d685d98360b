import { Calendar, type Announcement } from "./calendar.ts";
import { HazardModel, type PoolHazard } from "./hazard.ts";
import { lentLevel, type LevelHazards, type Prices } from "./lend-rule.ts";
import { MedianStep } from "./median-step.ts";
import { PoolTrack } from "./pool-track.ts";
import { Rush } from "./rush.ts";
import type { Limit, Shadow } from "./shadow.ts";
import { Steering } from "./steering.ts";

/** A pool as it is at a tick. GPUs; owners' may be parts of one. */
export interface PoolReading {
  readonly pool: string;
  readonly gpusTotal: number;
  readonly gpusBusy: number;
  /** Owners' demand that waits. */
  readonly gpusPending: number;
  /** Lent still, and taken by the owner since the tick before. */
  readonly lent: number;
  readonly evicted: number;
  /** That owners took since the tick before, lent or not, also where they let go of others meanwhile; null: not known but for the rise of demand. */
  readonly taken: number | null;
  /** Nothing was known for a while before this tick. A pool's first tick is one whatever is said. */
  readonly afterGap: boolean;
}

/**
 * `owner_limit`, `penalty`: what the level hangs on. `announced`: the owner's calendar keeps it lower. `rush`: far more arrived than
 * was forecast, nothing new is lent. `step_unknown`: a first tick says nothing of the next one. `out_of_order`: the tick is not
 * later than the one before. `unreadable`: a number is none.
 */
export type ReserveReason =
  | "owner_limit"
  | "penalty"
  | "announced"
  | "rush"
  | "step_unknown"
  | "out_of_order"
  | "unreadable";

export interface PoolLend {
  readonly pool: string;
  /** GPUs to be lent from now on, 0 … idle; the rest of the idle ones is the reserve. */
  readonly lent: number;
  readonly reason: ReserveReason;
}

export interface ReserveSettings {
  /** What an eviction costs in the books, and a hand-back: seconds of one GPU. */
  readonly penaltyS: number;
  readonly vacateS: number;
  /** Over all pools together; null: the penalty alone counts. */
  readonly limit: Limit | null;
}

/** Hazards by which a rule picks are low in part by error: it plans with a penalty that is so much larger than the books'. */
const CAUTION = 1.25;
/** Of a step: what a loan must earn in it beyond its risk, for the hand-back, at most. Loans last, and steps may be shorter than a hand-back. */
const HAND_BACK_PART = 1 / 6;
/** s; for what is measured in days, until the first step is known. */
const STEP_GUESS_S = 60;
/** GPUs: demand is a sum of parts, and not exact. */
const ROUNDING = 1e-9;

/**
 * How many idle GPUs of one owner's pools to lend and how many to keep in reserve, tick by tick. Each idle level of a pool is
 * its own stopping problem with a learned hazard; the owner's limit sets the price of a meeting, one for all pools. Deterministic
 * and causal; what it keeps is bounded by the pools' sizes.
 *
 * Pools may appear, grow, shrink and miss ticks. A tick that is not later than the one before and a reading that is no number
 * teach nothing: the one lends nothing new, the other nothing at all.
 */
export class Reserve {
  readonly #penaltyS: number;
  readonly #vacateS: number;
  #limit: Limit | null;
  #steering: Steering | null;
  readonly #model = new HazardModel();
  readonly #pools = new Map<string, PoolState>();
  readonly #step = new MedianStep();
  readonly #calendar = new Calendar();
  #timeS = -Infinity;

  constructor({ penaltyS, vacateS, limit }: ReserveSettings) {
    this.#penaltyS = penaltyS;
    this.#vacateS = vacateS;
    this.#limit = limit;
    this.#steering = limit === null ? null : new Steering(limit);
  }

  /** Once a tick, with a reading at most of each pool; time grows. -> a level for each reading. */
  decide(timeS: number, readings: readonly PoolReading[]): PoolLend[] {
    if (!(timeS > this.#timeS)) return readings.map((reading) => hold(reading, "out_of_order"));
    const stepS = this.#step.next(timeS);
    if (this.#timeS > -Infinity) this.#steering?.forget(timeS - this.#timeS);
    this.#timeS = timeS;
    for (const reading of readings) this.#observe(reading, stepS ?? STEP_GUESS_S);
    if (stepS === null) return readings.map((reading) => hold(reading, "step_unknown"));
    const { prices, reason } = this.#prices(stepS);
    return readings.map((reading) => this.#lend(reading, prices, reason));
  }

  /** What is learned of a pool is dropped; what all pools share stays. */
  forget(pool: string): void {
    this.#pools.delete(pool);
  }

  /** From now on. What is known of prices stays, unless something else is to be counted. */
  setLimit(limit: Limit | null): void {
    if (limit !== null && this.#limit?.counts === limit.counts) this.#steering!.aimAt(limit.max);
    else {
      this.#steering = limit === null ? null : new Steering(limit);
      for (const state of this.#pools.values()) {
        state.shadow = this.#steering?.newShadow() ?? null;
        state.shadow?.lend(levelsOf(state.track, state.hazard));
      }
    }
    this.#limit = limit;
  }

  /** In place of what was announced before: what an announcement claims is not lent, from the tick before it on. */
  announce(announcements: readonly Announcement[]): void {
    this.#calendar.replace(announcements);
  }

  #prices(stepS: number): { prices: Prices; reason: ReserveReason } {
    const penaltyS = this.#penaltyS * CAUTION;
    const limitS = (this.#steering?.price ?? 0) * stepS;
    const met = this.#limit?.counts === "met";
    const prices = {
      stepS,
      takenS: met ? penaltyS : Math.max(limitS, penaltyS),
      meetingS: met ? limitS : 0,
      lendS: Math.min(this.#vacateS, stepS * HAND_BACK_PART),
    };
    return { prices, reason: met || limitS > penaltyS ? "owner_limit" : "penalty" };
  }

  #lend({ pool, gpusTotal, lent }: PoolReading, prices: Prices, reason: ReserveReason): PoolLend {
    const { track, hazard, rush, known } = this.#pools.get(pool)!;
    if (!known) return { pool, lent: 0, reason: "unreadable" };
    const level = lentLevel(levelsOf(track, hazard), lent, prices);
    const untilS = this.#timeS + prices.stepS + this.#vacateS;
    const unclaimed = Math.floor(gpusTotal - this.#calendar.claimed(pool, this.#timeS, untilS) + ROUNDING);
    if (level > unclaimed && !(rush.isOn && lent < unclaimed))
      return { pool, lent: Math.max(0, unclaimed), reason: "announced" };
    if (level > lent && rush.isOn) return { pool, lent, reason: "rush" };
    return { pool, lent: level, reason };
  }

  #observe(reading: PoolReading, stepS: number): void {
    const state = this.#poolOf(reading.pool);
    const afterGap = reading.afterGap || !state.known;
    state.known = isReadable(reading);
    if (!state.known) return;
    const { gpusTotal, lent, evicted, taken } = reading;
    const { demand, idle } = useOf(reading);
    const { track, hazard, rush, shadow } = state;
    if (afterGap) rush.end();
    else {
      const rise = Math.max(0, demand - track.demand.demand);
      rush.observe(rise, hazard.expectedArrivals);
      hazard.learn(idle);
      if (shadow !== null) this.#steering!.settle(shadow, { idle, rise, lent, evicted, taken });
    }
    track.observe({ timeS: this.#timeS, gpusTotal, demand, idle, afterGap }, stepS);
    hazard.predict(track);
    shadow?.lend(levelsOf(track, hazard));
  }

  #poolOf(name: string): PoolState {
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const shadow = this.#steering?.newShadow() ?? null;
    const hazard = this.#model.newPool();
    const pool = { track: new PoolTrack(), hazard, rush: new Rush(), shadow, known: false };
    this.#pools.set(name, pool);
    return pool;
  }
}

/** Nothing new. */
function hold(reading: PoolReading, reason: ReserveReason): PoolLend {
  const { pool, lent } = reading;
  if (!isReadable(reading)) return { pool, lent: 0, reason: "unreadable" };
  return { pool, lent: Math.min(Math.floor(lent), useOf(reading).idle), reason };
}

function useOf({ gpusTotal, gpusBusy, gpusPending }: PoolReading): { demand: number; idle: number } {
  const demand = Math.min(gpusTotal, gpusBusy + gpusPending);
  return { demand, idle: Math.floor(gpusTotal - demand + ROUNDING) };
}

function isReadable({ gpusTotal, gpusBusy, gpusPending, lent, evicted, taken }: PoolReading): boolean {
  const counts = [gpusTotal, gpusBusy, gpusPending, lent, evicted, taken ?? 0];
  return counts.every((gpus) => gpus >= 0 && gpus < Infinity);
}

function levelsOf({ grid, idle }: PoolTrack, { hazard }: PoolHazard): LevelHazards {
  return { grid, hazard, idle };
}

interface PoolState {
  readonly track: PoolTrack;
  readonly hazard: PoolHazard;
  readonly rush: Rush;
  shadow: Shadow | null;
  /** Its last reading could be read. */
  known: boolean;
}
