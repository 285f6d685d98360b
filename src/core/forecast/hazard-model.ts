import { columns } from "./columns.ts";
import { Follower } from "./follower.ts";

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
    this.#fleet ??= new Follower(written, strength, this.#settings.fleetHalfLifeMs, atMs);
    let follower = this.#pools.get(pool);
    if (follower === undefined) {
      follower = new Follower(
        this.#fleet.logistic.coefficients,
        strength,
        this.#settings.poolHalfLifeMs,
        atMs,
      );
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

const unlearned = new Follower(written, strength, hourMs, 0);
