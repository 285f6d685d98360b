import type { DeviceUuid, OwnerState } from "./device.ts";
import { binCount, binEndMs, binStartMs } from "./survival-bins.ts";
import { SurvivalCounts } from "./survival-counts.ts";
import { priorExposureMs, priorReturns } from "./survival-prior.ts";
import { curveOf, tableOf, type SurvivalCurve, type SurvivalTable } from "./survival-table.ts";

export type { SurvivalCurve } from "./survival-table.ts";

export interface ForecastSettings {
  /** The weight of an observation halves in this time. */
  readonly halfLifeMs: number;
  /** The written prior counts as this many idle runs of the fleet, and the fleet as this many of each pool. */
  readonly priorRuns: number;
  /** Observations of a device that lie further apart have a gap between them. */
  readonly staleMs: number;
}

/** What is learned of a pool, or of all pools together, and the table made of it. */
interface Learned {
  readonly counts: SurvivalCounts;
  devices: number;
  /** null: not made yet. */
  table: SurvivalTable | null;
  observationsSinceTable: number;
}

/** Where one device stands in its present idle run. */
interface Run {
  pool: string;
  lastAtMs: number;
  /** null: not idle, or idle from a time that nobody saw. Such a run teaches nothing: its age is not known. */
  idleSinceMs: number | null;
  wasBusy: boolean;
}

/**
 * Learns from owners' states how long idle devices stay idle, and tells it as a curve: a hazard for each bin of idle age, for each
 * pool, shrunk to that of all pools, which is shrunk to the written prior; the past is forgotten exponentially. A run that ends in
 * `unknown` or in a gap is censored: its idle time counts, and no return. Never a product over devices: owners' returns are
 * correlated.
 *
 * Memory: O(bins) a pool, O(1) a device. A table is made anew when a curve is asked for and as many observations
 * have come as there are devices: once in each sweep of telemetry over the pool.
 */
export class Forecaster {
  readonly #settings: ForecastSettings;
  readonly #runs = new Map<DeviceUuid, Run>();
  readonly #pools = new Map<string, Learned>();
  #fleet: Learned | null = null;
  #latestMs = -Infinity;

  constructor(settings: ForecastSettings) {
    this.#settings = settings;
  }

  /** What telemetry says of the owner of a device now; times of one device that go back are ignored. */
  observe(pool: string, device: DeviceUuid, state: OwnerState, atMs: number): void {
    const known = this.#runs.get(device);
    if (known !== undefined && atMs < known.lastAtMs) return;
    if (known !== undefined && known.pool !== pool) this.forget(device);
    this.#latestMs = Math.max(this.#latestMs, atMs);
    this.#fleet ??= this.#nothingLearned(atMs);
    const learned = this.#learnedOf(pool, atMs);
    learned.observationsSinceTable += 1;
    this.#fleet.observationsSinceTable += 1;

    const run = this.#runs.get(device);
    if (run === undefined) {
      learned.devices += 1;
      this.#fleet.devices += 1;
      this.#runs.set(device, { pool, lastAtMs: atMs, idleSinceMs: null, wasBusy: state === "busy" });
      return;
    }
    const gap = atMs - run.lastAtMs > this.#settings.staleMs;
    if (run.idleSinceMs !== null && !gap && state !== "unknown") {
      const fromAgeMs = run.lastAtMs - run.idleSinceMs;
      const toAgeMs = atMs - run.idleSinceMs;
      learned.counts.add(fromAgeMs, toAgeMs, state === "busy", atMs);
      this.#fleet.counts.add(fromAgeMs, toAgeMs, state === "busy", atMs);
    }
    if (state !== "idle" || gap) run.idleSinceMs = null;
    else if (run.wasBusy) run.idleSinceMs = atMs;
    run.wasBusy = state === "busy";
    run.lastAtMs = atMs;
  }

  /** The device is gone; with the last of a pool goes what was learned of it. */
  forget(device: DeviceUuid): void {
    const run = this.#runs.get(device);
    if (run === undefined) return;
    this.#runs.delete(device);
    if (this.#fleet !== null) this.#fleet.devices -= 1;
    const learned = this.#pools.get(run.pool);
    if (learned !== undefined) learned.devices -= 1;
    if (learned?.devices === 0) this.#pools.delete(run.pool);
  }

  /** For a device of the pool that has been idle for `idleAgeMs`. The curve stays as it is when more is learned. */
  curve(pool: string, idleAgeMs: number): SurvivalCurve {
    return curveOf(this.#poolTable(pool), idleAgeMs);
  }

  #poolTable(pool: string): SurvivalTable {
    const learned = this.#pools.get(pool);
    if (learned === undefined) return this.#fleetTable();
    return freshTable(learned) ?? this.#renewPool(learned);
  }

  #renewPool(learned: Learned): SurvivalTable {
    const { hazardPerMs, cumulative } = this.#fleetTable();
    return renew(
      learned,
      this.#shrink(learned.counts, (bin) => {
        const widthMs = binEndMs(bin) - binStartMs[bin]!;
        const returns = Math.exp(-cumulative[bin]!) * -Math.expm1(-hazardPerMs[bin]! * widthMs);
        return { returns, exposureMs: returns / hazardPerMs[bin]!, hazardPerMs: hazardPerMs[bin]! };
      }),
    );
  }

  #fleetTable(): SurvivalTable {
    if (this.#fleet === null) return priorTable;
    return freshTable(this.#fleet) ?? renew(this.#fleet, this.#shrink(this.#fleet.counts, priorRun));
  }

  /** Adds `priorRuns` runs of what is believed to what was counted. */
  #shrink(counts: SurvivalCounts, believed: (bin: number) => BelievedRun): SurvivalTable {
    const scale = counts.scaleAt(this.#latestMs);
    const { priorRuns } = this.#settings;
    const hazards = Float64Array.from({ length: binCount }, (_, bin) => {
      const { returns, exposureMs, hazardPerMs } = believed(bin);
      const exposure = scale * counts.exposureMs(bin) + priorRuns * exposureMs;
      // So old that not one of the runs believed in comes there: the belief as it is.
      return exposure > 0 ? (scale * counts.returns(bin) + priorRuns * returns) / exposure : hazardPerMs;
    });
    return tableOf(hazards);
  }

  #learnedOf(pool: string, atMs: number): Learned {
    let learned = this.#pools.get(pool);
    if (learned === undefined) {
      learned = this.#nothingLearned(atMs);
      this.#pools.set(pool, learned);
    }
    return learned;
  }

  #nothingLearned(atMs: number): Learned {
    const counts = new SurvivalCounts(this.#settings.halfLifeMs, atMs);
    return { counts, devices: 0, table: null, observationsSinceTable: 0 };
  }
}

/** One run as it is believed to be, in one bin. */
interface BelievedRun {
  readonly returns: number;
  readonly exposureMs: number;
  readonly hazardPerMs: number;
}

function priorRun(bin: number): BelievedRun {
  const returns = priorReturns[bin]!;
  const exposureMs = priorExposureMs[bin]!;
  return { returns, exposureMs, hazardPerMs: returns / exposureMs };
}

const priorTable = tableOf(Float64Array.from({ length: binCount }, (_, bin) => priorRun(bin).hazardPerMs));

/** null: to be made anew. */
function freshTable({ table, observationsSinceTable, devices }: Learned): SurvivalTable | null {
  return observationsSinceTable < Math.max(1, devices) ? table : null;
}

function renew(learned: Learned, table: SurvivalTable): SurvivalTable {
  learned.table = table;
  learned.observationsSinceTable = 0;
  return table;
}
