import type { OwnerState } from "../device.ts";
import { Follower } from "./follower.ts";
import { probability } from "./logistic.ts";
import { horizonsMs, Questions } from "./questions.ts";

const minuteMs = 60_000;
const halfLifeMs = 4 * 60 * minuteMs;

/**
 * Of intercept, log-odds of staying idle as the chain says them, ln(age in minutes) − 1. The chain says too little of long
 * windows, and the less, the longer a device has been idle.
 */
const believed = [0.4, 0.8, 0.2];
const strength = [3, 10, 10];
/** What is known of a question: the row without the intercept. */
const width = 2;

/** Recalibration with delayed outcomes: for each horizon a logistic regression of what came on what was said. */
export class Horizons {
  #models: readonly Follower[] = [];
  readonly #questions: Questions<Float32Array>;

  constructor(gapMs: number) {
    this.#questions = new Questions(gapMs, width, Float32Array, {
      answered: (slot, horizon, came) => {
        const row = [1, this.#questions.known(slot, horizon, 0), this.#questions.known(slot, horizon, 1)];
        this.#models[horizon]!.logistic.add(row, !came);
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

  /** Before anything is asked. */
  refit(nowMs: number): void {
    if (this.#models.length === 0)
      this.#models = horizonsMs.map(() => new Follower(believed, strength, halfLifeMs, nowMs));
    for (const model of this.#models) model.refit(nowMs, believed, 1);
  }

  /** P(still idle after each horizon), falling. */
  survival(lnAge: number, said: (horizonMs: number) => number): number[] {
    let least = 1;
    return horizonsMs.map((horizonMs, i) => {
      const row = [1, ...rowOf(said(horizonMs), lnAge)];
      return (least = Math.min(least, probability(this.#models[i]!.logistic.logOdds(row))));
    });
  }
}

function rowOf(said: number, lnAge: number): [logOdds: number, age: number] {
  const p = Math.min(1 - 1e-6, Math.max(1e-6, said));
  return [Math.log(p / (1 - p)), lnAge - 1];
}
