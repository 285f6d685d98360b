import type { WindowCurve } from "./window-curve.ts";

/** Log-odds of a return within a minute, and ln(idle age in minutes): devices within one step of both count as alike. */
const logOddsStep = 0.25;
const lnAgeStep = 0.5;
const lnAgeSteps = 64;

/**
 * One curve object for all devices of a pool that are much alike, so that whoever matches guests to devices looks at few
 * classes; taken where the owner is most likely to come back. Until `clear` the same devices have the same object.
 */
export class AlikeCurves {
  readonly #curves = new Map<number, WindowCurve>();

  /** `make` is asked for the curve of the class. */
  of(logOdds: number, lnAge: number, make: (logOdds: number, lnAge: number) => WindowCurve): WindowCurve {
    const odds = Math.ceil(logOdds / logOddsStep);
    const age = Math.floor(lnAge / lnAgeStep);
    const key = odds * lnAgeSteps + age;
    let curve = this.#curves.get(key);
    if (curve === undefined) this.#curves.set(key, (curve = make(odds * logOddsStep, age * lnAgeStep)));
    return curve;
  }

  clear(): void {
    this.#curves.clear();
  }
}
