import { binCount, binEndMs, binOf, binStartMs } from "./survival-bins.ts";

/** How long a device that is idle now is believed to stay so. */
export interface SurvivalCurve {
  /** P(still idle after a further `horizonMs`), 0–1. */
  survivalAt(horizonMs: number): number;
  /** E[min(window, horizonMs)], ms. */
  expectedIdleMs(horizonMs: number): number;
  /** Of the parameters that the curve came from. */
  readonly hash: string;
}

/** A hazard for each bin of idle age, and what follows from it. Plain data, never changed once made. */
export interface SurvivalTable {
  /** Returns per ms of idleness, > 0. */
  readonly hazardPerMs: Float64Array;
  /** Cumulative hazard at the start of each bin. */
  readonly cumulative: Float64Array;
  /** Mean idle time still to come at the start of each bin, ms. */
  readonly meanLeftMs: Float64Array;
  readonly hash: string;
}

/** Keeps every curve proper where nothing at all is known. */
const hazardPerMsMin = 1e-15;

/** Takes the hazards over. */
export function tableOf(hazardPerMs: Float64Array): SurvivalTable {
  const cumulative = new Float64Array(binCount);
  const meanLeftMs = new Float64Array(binCount);
  for (let bin = 0; bin < binCount; bin++) {
    hazardPerMs[bin] = Math.max(hazardPerMsMin, hazardPerMs[bin]!);
    if (bin > 0)
      cumulative[bin] =
        cumulative[bin - 1]! + hazardPerMs[bin - 1]! * (binStartMs[bin]! - binStartMs[bin - 1]!);
  }
  for (let bin = binCount - 1; bin >= 0; bin--)
    meanLeftMs[bin] = meanLeft(hazardPerMs[bin]!, binEndMs(bin) - binStartMs[bin]!, meanLeftMs[bin + 1] ?? 0);
  return { hazardPerMs, cumulative, meanLeftMs, hash: fnv1a(new Uint8Array(hazardPerMs.buffer)) };
}

/** The curve of a device that has been idle for `ageMs`: S(h | a) = exp(−(H(a + h) − H(a))). */
export function curveOf(table: SurvivalTable, ageMs: number): TableCurve {
  return new TableCurve(table, Math.max(0, ageMs));
}

/** Table and age are plain data: what another thread needs to make the same curve again. */
export class TableCurve implements SurvivalCurve {
  readonly table: SurvivalTable;
  readonly ageMs: number;
  readonly #hazardSoFar: number;

  constructor(table: SurvivalTable, ageMs: number) {
    this.table = table;
    this.ageMs = ageMs;
    this.#hazardSoFar = cumulativeAt(table, ageMs);
  }

  get hash(): string {
    return this.table.hash;
  }

  survivalAt(horizonMs: number): number {
    if (!(horizonMs > 0)) return 1;
    return Math.exp(this.#hazardSoFar - cumulativeAt(this.table, this.ageMs + horizonMs));
  }

  /** The mean left at this age, less what of it lies beyond the horizon. */
  expectedIdleMs(horizonMs: number): number {
    if (!(horizonMs > 0)) return 0;
    const all = meanLeftAt(this.table, this.ageMs);
    const beyond = this.survivalAt(horizonMs) * meanLeftAt(this.table, this.ageMs + horizonMs);
    return Math.min(horizonMs, Math.max(0, all - beyond));
  }
}

function cumulativeAt({ cumulative, hazardPerMs }: SurvivalTable, ageMs: number): number {
  const bin = binOf(ageMs);
  return cumulative[bin]! + hazardPerMs[bin]! * (ageMs - binStartMs[bin]!);
}

function meanLeftAt({ hazardPerMs, meanLeftMs }: SurvivalTable, ageMs: number): number {
  const bin = binOf(ageMs);
  return meanLeft(hazardPerMs[bin]!, binEndMs(bin) - ageMs, meanLeftMs[bin + 1] ?? 0);
}

/** ∫ of survival over the rest of a bin, and from there on. */
function meanLeft(hazardPerMs: number, restMs: number, meanLeftAfterMs: number): number {
  const ends = -Math.expm1(-hazardPerMs * restMs);
  return ends / hazardPerMs + (1 - ends) * meanLeftAfterMs;
}

/** FNV-1a, 32 bits, as 8 hexadecimal digits. */
export function fnv1a(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
