import { horizonsMs } from "./questions.ts";

/** Chances that were said of an event, held against what came of it. */
export interface Calibration {
  readonly horizonMs: number;
  /** Questions that were answered. */
  readonly count: number;
  /** Mean of what was said, and the share that came, 0–1; null: nothing was asked. */
  readonly said: number | null;
  readonly came: number | null;
  /** Mean of (said − came)². */
  readonly brier: number | null;
  /** 95 % of said − came; null: too few hours to tell. */
  readonly interval: { readonly low: number; readonly high: number } | null;
}

const hourMs = 3_600_000;
/** An interval from fewer hours would say more of its method than of the forecast. */
const hoursMin = 6;
/** What is summed up in an hour, for each horizon. */
const asked = 0;
const said = 1;
const came = 2;
const squares = 3;
const width = 4;

interface Hour {
  readonly beginMs: number;
  readonly sums: Float64Array;
}

/**
 * Sums of answers, hour by hour. The interval of said − came takes hours, not answers, as the independent pieces (a cluster-robust
 * variance, Liang and Zeger 1986, with Student's t): owners come back together, and one device's answers resemble each other,
 * so that a hundred answers of one hour say little more than one. Bounded: the newest `hoursMax` hours in which anything
 * was answered, 250 bytes each.
 */
export class Calibrations {
  readonly #hoursMax: number;
  readonly #hours: Hour[] = [];

  constructor(hoursMax: number) {
    this.#hoursMax = hoursMax;
  }

  add(horizon: number, chance: number, event: boolean, atMs: number): void {
    const { sums } = this.#hourOf(atMs);
    const at = horizon * width;
    sums[at + asked]! += 1;
    sums[at + said]! += chance;
    sums[at + came]! += Number(event);
    sums[at + squares]! += (chance - Number(event)) ** 2;
  }

  /** Begin of the first hour that reaches into the range; null: nothing was answered in it. */
  fromMs(fromMs = -Infinity, toMs = Infinity): number | null {
    return this.#within(fromMs, toMs)[0]?.beginMs ?? null;
  }

  /** For each horizon, of all hours that reach into the range. */
  figures(fromMs = -Infinity, toMs = Infinity): Calibration[] {
    const hours = this.#within(fromMs, toMs);
    return horizonsMs.map((horizonMs, horizon) => {
      const column = (what: number) => hours.map(({ sums }) => sums[horizon * width + what]!);
      const count = sum(column(asked));
      const mean = (what: number) => (count === 0 ? null : sum(column(what)) / count);
      const errors = column(said).map((total, hour) => total - column(came)[hour]!);
      return {
        horizonMs,
        count,
        said: mean(said),
        came: mean(came),
        brier: mean(squares),
        interval: intervalOf(errors, column(asked)),
      };
    });
  }

  #hourOf(atMs: number): Hour {
    const last = this.#hours.at(-1);
    const beginMs = Math.max(last?.beginMs ?? -Infinity, Math.floor(atMs / hourMs) * hourMs);
    if (last?.beginMs === beginMs) return last;
    const hour = { beginMs, sums: new Float64Array(horizonsMs.length * width) };
    this.#hours.push(hour);
    if (this.#hours.length > this.#hoursMax) this.#hours.shift();
    return hour;
  }

  #within(fromMs: number, toMs: number): Hour[] {
    return this.#hours.filter(({ beginMs }) => beginMs + hourMs > fromMs && beginMs <= toMs);
  }
}

/** In percentage points, from and to. */
export function intervalText(interval: Calibration["interval"]): string {
  if (interval === null) return "–";
  const signed = (share: number) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;
  return `${signed(interval.low)} … ${signed(interval.high)}`;
}

/** Of Σ sums ÷ Σ counts: Var = g/(g − 1) · Σ (sum − ratio · count)² ÷ (Σ counts)² over g pieces. */
function intervalOf(sums: readonly number[], counts: readonly number[]): Calibration["interval"] {
  const pieces = counts.filter((count) => count > 0).length;
  if (pieces < hoursMin) return null;
  const count = sum(counts);
  const ratio = sum(sums) / count;
  const squared = sum(sums.map((part, piece) => (part - ratio * counts[piece]!) ** 2));
  const error = (Math.sqrt((pieces / (pieces - 1)) * squared) / count) * studentT(pieces - 1);
  return { low: ratio - error, high: ratio + error };
}

/** Its 97.5 % point, by Cornish and Fisher's expansion; right to 0.003 from 5 degrees of freedom on. */
function studentT(freedom: number): number {
  const z = 1.959964;
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
