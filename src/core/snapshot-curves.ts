import { binOf, binStartMs } from "./survival-bins.ts";
import type { SurvivalCurve } from "./survival.ts";

/** The part of the forecast that a snapshot needs. */
export interface CurveSource {
  curve(pool: string, idleAgeMs: number): SurvivalCurve;
}

interface PoolCurves {
  readonly hash: string;
  readonly byBin: (SurvivalCurve | undefined)[];
  cycle: number;
}

/**
 * One curve object for all devices of a pool whose idle ages fall into the same bin, taken at the bin's youngest age: as hazards
 * fall with age, the careful end. It stays the same object from cycle to cycle until the forecast learns, so that
 * whoever compares objects sees what changed.
 */
export class SnapshotCurves {
  readonly #source: CurveSource;
  readonly #pools = new Map<string, PoolCurves>();
  #cycle = 0;

  constructor(source: CurveSource) {
    this.#source = source;
  }

  /** Call once before each snapshot: what was learned since is taken up, pools that nobody asked for are dropped. */
  refresh(): void {
    for (const [name, pool] of this.#pools) if (pool.cycle < this.#cycle) this.#pools.delete(name);
    this.#cycle++;
  }

  of(pool: string, idleAgeMs: number): SurvivalCurve {
    const { byBin } = this.#poolOf(pool);
    const bin = binOf(idleAgeMs);
    let curve = byBin[bin];
    if (curve === undefined) {
      curve = this.#source.curve(pool, binStartMs[bin] ?? 0);
      byBin[bin] = curve;
    }
    return curve;
  }

  #poolOf(name: string): PoolCurves {
    const known = this.#pools.get(name);
    if (known?.cycle === this.#cycle) return known;
    const { hash } = this.#source.curve(name, 0);
    if (known?.hash === hash) {
      known.cycle = this.#cycle;
      return known;
    }
    const pool: PoolCurves = { hash, byBin: [], cycle: this.#cycle };
    this.#pools.set(name, pool);
    return pool;
  }
}
