import type { SurvivalCurve } from "../../core/survival-curve.ts";

const minuteS = 60;
const minutes = 60;

/** Idle devices of which much the same was said: the mean of what was said, and Kaplan–Meier's estimate of what came. */
export interface SurvivalStratum {
  /** Said chance of the owner's return within 15 minutes, 0–1. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Share still idle after 0, 1, 2 … minutes. */
  readonly said: readonly number[];
  readonly came: readonly number[];
}

const stratumBounds = [0, 0.25, 0.75, 1];
export const stratifyS = 15 * minuteS;

/** Windows that begin when a device is asked about and end with its owner's return, or are lost from sight. */
export class SurvivalCheck {
  readonly #strata = stratumBounds.slice(1).map(() => ({
    said: new Float64Array(minutes + 1),
    returned: new Float64Array(minutes),
    lost: new Float64Array(minutes),
    count: 0,
  }));

  /** Returns the stratum of that curve. */
  ask(curve: SurvivalCurve): number {
    const chance = 1 - curve.survivalAt(stratifyS * 1_000);
    const index = Math.max(
      0,
      stratumBounds.findLastIndex((from) => from <= chance),
    );
    const stratum = Math.min(index, this.#strata.length - 1);
    const { said } = this.#strata[stratum]!;
    for (let minute = 0; minute <= minutes; minute++)
      said[minute]! += curve.survivalAt(minute * minuteS * 1_000);
    this.#strata[stratum]!.count += 1;
    return stratum;
  }

  returned(stratum: number, afterS: number): void {
    this.#strata[stratum]!.returned[minuteOf(afterS)]! += 1;
  }

  lost(stratum: number, afterS: number): void {
    this.#strata[stratum]!.lost[minuteOf(afterS)]! += 1;
  }

  figures(): SurvivalStratum[] {
    return this.#strata.map(({ said, returned, lost, count }, index) => ({
      from: stratumBounds[index]!,
      to: stratumBounds[index + 1]!,
      count,
      said: count === 0 ? [] : Array.from(said, (total) => total / count),
      came: count === 0 ? [] : kaplanMeier(count, returned, lost),
    }));
  }
}

/** S = ∏ (1 − returned / at risk); those lost within a minute are at risk in it no more. */
function kaplanMeier(count: number, returned: Float64Array, lost: Float64Array): number[] {
  const survival = [1];
  let atRisk = count;
  for (const [minute, events] of returned.entries()) {
    atRisk -= lost[minute]!;
    survival.push(atRisk > 0 ? survival[minute]! * (1 - events / atRisk) : survival[minute]!);
    atRisk -= events;
  }
  return survival;
}

/** The minute that ends with that time or after it. */
function minuteOf(afterS: number): number {
  return Math.min(minutes - 1, Math.max(0, Math.ceil(afterS / minuteS) - 1));
}
