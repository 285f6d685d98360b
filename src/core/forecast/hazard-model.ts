import { columns } from "./columns.ts";
import { Logistic } from "./logistic.ts";

export interface HazardSettings {
  /** The weight of what was learned of a pool halves in this time. */
  readonly poolHalfLifeMs: number;
  /** The same for all pools together. */
  readonly fleetHalfLifeMs: number;
}

const hourMs = 3_600_000;
export const defaultHazardSettings: HazardSettings = {
  poolHalfLifeMs: 2 * hourMs,
  fleetHalfLifeMs: 2 * hourMs,
};

const written = columns.map(({ prior }) => prior);
/** Weight of what is believed of a column; least of the first, the mean hazard, which differs most between fleets. */
const strength = columns.map((_, index) => (index === 0 ? 1 : 5));
/** What all pools say weighs this much more for one of them than what is written does for all. */
const fleetScale = 12;
/** Belief weighs this much more where nothing was learned yet; that fades as what is learned would. */
const coldScale = 30;
const coldHalfLifeMs = hourMs;

/** Coefficients that follow the rows, drawn to others. */
class Follower {
  readonly logistic: Logistic;
  readonly #halfLifeMs: number;
  readonly #startMs: number;
  #refitMs: number;

  constructor(start: ArrayLike<number>, halfLifeMs: number, startMs: number) {
    this.logistic = new Logistic(start);
    this.#halfLifeMs = halfLifeMs;
    this.#startMs = startMs;
    this.#refitMs = startMs;
  }

  refit(nowMs: number, towards: ArrayLike<number>, scale: number): void {
    this.logistic.forget(2 ** ((this.#refitMs - nowMs) / this.#halfLifeMs));
    this.#refitMs = nowMs;
    const cold = coldScale * 2 ** ((this.#startMs - nowMs) / coldHalfLifeMs);
    this.logistic.refit(towards, strength, scale * (1 + cold));
  }
}

/**
 * The hazard of the owner's return, in log-odds: a pool's coefficients are drawn to those of all pools, and these to the
 * written ones. Rows carry ln(interval in minutes) as offset, so that what is learned at one sampling period holds at
 * another.
 */
export class HazardModel {
  readonly #settings: HazardSettings;
  readonly #pools = new Map<string, Follower>();
  readonly #dirty = new Set<string>();
  #fleet: Follower | null = null;

  constructor(settings: HazardSettings) {
    this.#settings = settings;
  }

  add(pool: string, row: Float32Array, returned: boolean, offset: number, atMs: number): void {
    this.#fleet ??= new Follower(written, this.#settings.fleetHalfLifeMs, atMs);
    let follower = this.#pools.get(pool);
    if (follower === undefined) {
      follower = new Follower(this.#fleet.logistic.coefficients, this.#settings.poolHalfLifeMs, atMs);
      this.#pools.set(pool, follower);
    }
    this.#fleet.logistic.add(row, returned, offset);
    follower.logistic.add(row, returned, offset);
    this.#dirty.add(pool);
  }

  /** A pool's coefficients in each part. */
  *refitting(nowMs: number): Generator<void> {
    if (this.#fleet === null || this.#dirty.size === 0) return;
    this.#fleet.refit(nowMs, written, 1);
    const { coefficients } = this.#fleet.logistic;
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const pool of dirty) {
      this.#pools.get(pool)?.refit(nowMs, coefficients, fleetScale);
      yield;
    }
  }

  /** Of a return within a minute. */
  logOdds(pool: string, row: Float32Array): number {
    return (this.#pools.get(pool) ?? this.#fleet ?? unlearned).logistic.logOdds(row);
  }

  forget(pool: string): void {
    this.#pools.delete(pool);
    this.#dirty.delete(pool);
  }
}

const unlearned = new Follower(written, hourMs, 0);
