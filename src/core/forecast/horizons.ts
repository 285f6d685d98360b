import { Logistic, probability } from "./logistic.ts";
import { Slots } from "./slots.ts";

const minuteMs = 60_000;
/** Where what the chain says is held against what came of it. */
export const horizonsMs = [1, 5, 15, 30, 60].map((minutes) => minutes * minuteMs);
const halfLifeMs = 4 * 60 * minuteMs;

/** Of intercept, log-odds of staying idle as the chain says them, ln(age in minutes). */
const believed = [0, 1, 0];
const strength = [3, 10, 10];
/** What is kept of a question that is under way: the row without the intercept. */
const width = 2;

/**
 * Recalibration with delayed outcomes: for each horizon a logistic regression of what came on what was said. Each device
 * has one question under way for each horizon, which is answered when it is due and not before, so that short windows do
 * not answer more often than long ones.
 */
export class Horizons {
  readonly #models = horizonsMs.map(() => new Logistic(believed));
  /** When the question of each horizon is due; 0: none is under way; negative: the owner came back before. */
  readonly #due = new Slots(Float64Array, horizonsMs.length);
  readonly #asked = new Slots(Float32Array, horizonsMs.length * width);
  #forgottenMs = NaN;

  open(slot: number): void {
    this.#due.clear(slot);
    this.#asked.clear(slot);
  }

  /** A reading of the device; lost: what happened since the last one is not known. */
  observe(slot: number, atMs: number, busy: boolean, lost: boolean): void {
    const due = this.#due.of(slot);
    if (lost) {
      due.fill(0);
      return;
    }
    for (let i = 0; i < horizonsMs.length; i++) {
      const dueMs = Math.abs(due[i]!);
      if (dueMs === 0) continue;
      if (busy && atMs <= dueMs) due[i] = -dueMs;
      if (atMs < dueMs) continue;
      const asked = this.#asked.of(slot);
      this.#models[i]!.add([1, asked[i * width]!, asked[i * width + 1]!], due[i]! > 0);
      due[i] = 0;
    }
  }

  /** An idle device was rated: asks where nothing is under way. `said` tells the chance to stay idle for a horizon, 0–1. */
  ask(slot: number, atMs: number, lnAge: number, said: (horizonMs: number) => number): void {
    const due = this.#due.of(slot);
    const asked = this.#asked.of(slot);
    for (const [i, horizonMs] of horizonsMs.entries()) {
      if (due[i] !== 0) continue;
      due[i] = atMs + horizonMs;
      const [, logOdds, age] = rowOf(said(horizonMs), lnAge);
      asked[i * width] = logOdds;
      asked[i * width + 1] = age;
    }
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
      const model = this.#models[i]!;
      return (least = Math.min(least, probability(model.logOdds(rowOf(said(horizonMs), lnAge)))));
    });
  }
}

function rowOf(said: number, lnAge: number): [number, number, number] {
  const p = Math.min(1 - 1e-6, Math.max(1e-6, said));
  return [1, Math.log(p / (1 - p)), lnAge - 1];
}
