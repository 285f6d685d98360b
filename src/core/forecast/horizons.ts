import type { OwnerState } from "../device.ts";
import { Logistic, probability } from "./logistic.ts";
import { horizonsMs, Questions } from "./questions.ts";

const minuteMs = 60_000;
const halfLifeMs = 4 * 60 * minuteMs;

/** Of intercept, log-odds of staying idle as the chain says them, ln(age in minutes). */
const believed = [0, 1, 0];
const strength = [3, 10, 10];
/** What is known of a question: the row without the intercept. */
const width = 2;

/** Recalibration with delayed outcomes: for each horizon a logistic regression of what came on what was said. */
export class Horizons {
  readonly #models = horizonsMs.map(() => new Logistic(believed));
  readonly #questions: Questions<Float32Array>;
  #forgottenMs = NaN;

  constructor(gapMs: number) {
    this.#questions = new Questions(gapMs, width, Float32Array, {
      answered: (slot, horizon, came) => {
        const row = [1, this.#questions.known(slot, horizon, 0), this.#questions.known(slot, horizon, 1)];
        this.#models[horizon]!.add(row, !came);
      },
    });
  }

  open(slot: number): void {
    this.#questions.open(slot);
  }

  /** A reading of the device. */
  observe(slot: number, atMs: number, owner: OwnerState): void {
    this.#questions.observe(slot, atMs, owner);
  }

  /** An idle device was rated: asks where nothing is under way. `said` tells the chance to stay idle for a horizon, 0–1. */
  ask(slot: number, atMs: number, lnAge: number, said: (horizonMs: number) => number): void {
    if (!this.#questions.areDue(slot)) return;
    this.#questions.ask(slot, atMs, (horizon, known, begin) =>
      known.set(rowOf(said(horizonsMs[horizon]!), lnAge), begin),
    );
  }

  refit(nowMs: number): void {
    const left = Number.isNaN(this.#forgottenMs) ? 1 : 2 ** ((this.#forgottenMs - nowMs) / halfLifeMs);
    this.#forgottenMs = nowMs;
    for (const model of this.#models) {
      model.forget(left);
      model.refit(believed, strength, 1);
    }
  }

  /** P(still idle after each horizon), falling. */
  survival(lnAge: number, said: (horizonMs: number) => number): number[] {
    let least = 1;
    return horizonsMs.map((horizonMs, i) => {
      const row = [1, ...rowOf(said(horizonMs), lnAge)];
      return (least = Math.min(least, probability(this.#models[i]!.logOdds(row))));
    });
  }
}

function rowOf(said: number, lnAge: number): [logOdds: number, age: number] {
  const p = Math.min(1 - 1e-6, Math.max(1e-6, said));
  return [Math.log(p / (1 - p)), lnAge - 1];
}
