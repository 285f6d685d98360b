import { HazardModel, type PoolHazard } from "./hazard.ts";
import { lentLevel, type LevelHazards, type Prices } from "./lend-rule.ts";
import { PoolTrack } from "./pool-track.ts";
import type { Limit, Shadow } from "./shadow.ts";
import { Steering } from "./steering.ts";
import { UsualStep } from "./usual-step.ts";

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
  /** Nothing was known for a while before this tick; also at a pool's first. */
  readonly afterGap: boolean;
}

/** `owner_limit`, `penalty`: what the level hangs on. `step_unknown`: a first tick says nothing of the next one. */
export type ReserveReason = "owner_limit" | "penalty" | "step_unknown";

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
/** s; for what is measured in days, until the first step is known. */
const STEP_GUESS_S = 60;
/** GPUs: demand is a sum of parts, and not exact. */
const ROUNDING = 1e-9;

/**
 * How many idle GPUs of an owner's pools to lend and how many to keep in reserve, tick by tick. Each idle level of a pool is
 * its own stopping problem with a learned hazard; the owner's limit sets the price of a meeting. Deterministic and causal;
 * what it keeps is bounded by the pools' sizes.
 */
export class Reserve {
  readonly #settings: ReserveSettings;
  readonly #steering: Steering | null;
  readonly #model = new HazardModel();
  readonly #pools = new Map<string, PoolState>();
  readonly #step = new UsualStep();
  #timeS: number | null = null;

  constructor(settings: ReserveSettings) {
    this.#settings = settings;
    this.#steering = settings.limit === null ? null : new Steering(settings.limit);
  }

  /** Once a tick, with a reading at most of each pool; time grows. -> a level for each reading. */
  decide(timeS: number, readings: readonly PoolReading[]): PoolLend[] {
    const stepS = this.#step.next(timeS);
    if (this.#timeS !== null) this.#steering?.forget(timeS - this.#timeS);
    this.#timeS = timeS;
    for (const reading of readings) this.#observe(timeS, reading, stepS ?? STEP_GUESS_S);
    if (stepS === null) return readings.map(({ pool }) => ({ pool, lent: 0, reason: "step_unknown" }));
    const { prices, reason } = this.#prices(stepS);
    return readings.map(({ pool, lent }) => {
      const { track, hazard } = this.#pools.get(pool)!;
      return { pool, lent: lentLevel(levelsOf(track, hazard), lent, prices), reason };
    });
  }

  #prices(stepS: number): { prices: Prices; reason: ReserveReason } {
    const { vacateS, limit } = this.#settings;
    const penaltyS = this.#settings.penaltyS * CAUTION;
    const limitS = (this.#steering?.price ?? 0) * stepS;
    const met = limit?.counts === "met";
    const prices = {
      stepS,
      takenS: met ? penaltyS : Math.max(limitS, penaltyS),
      meetingS: met ? limitS : 0,
      lendS: vacateS,
    };
    return { prices, reason: met || limitS > penaltyS ? "owner_limit" : "penalty" };
  }

  #observe(timeS: number, reading: PoolReading, stepS: number): void {
    const { gpusTotal, afterGap } = reading;
    const demand = Math.min(gpusTotal, reading.gpusBusy + reading.gpusPending);
    const idle = Math.floor(gpusTotal - demand + ROUNDING);
    const { track, hazard, shadow } = this.#poolOf(reading.pool);
    if (!afterGap) {
      hazard.learn(idle);
      if (shadow !== null)
        this.#steering!.settle(shadow, idle, Math.max(0, demand - track.demand.demand), reading.evicted);
    }
    track.observe({ timeS, gpusTotal, demand, idle, afterGap }, stepS);
    hazard.predict(track);
    shadow?.lend(levelsOf(track, hazard));
  }

  #poolOf(name: string): PoolState {
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const shadow = this.#steering?.newShadow() ?? null;
    const pool = { track: new PoolTrack(), hazard: this.#model.newPool(), shadow };
    this.#pools.set(name, pool);
    return pool;
  }
}

function levelsOf({ grid, idle }: PoolTrack, { hazard }: PoolHazard): LevelHazards {
  return { grid, hazard, idle };
}

interface PoolState {
  readonly track: PoolTrack;
  readonly hazard: PoolHazard;
  readonly shadow: Shadow | null;
}
