import { Logistic } from "./logistic.ts";

const hourMs = 3_600_000;
/** Belief weighs this much more where nothing was learned yet; that fades as what is learned would. */
const coldScale = 30;
const coldHalfLifeMs = hourMs;

/** Coefficients that follow what comes, forgetting what was, drawn to others. */
export class Follower {
  readonly logistic: Logistic;
  readonly #strength: readonly number[];
  readonly #halfLifeMs: number;
  readonly #startMs: number;
  #refitMs: number;

  /** `strength`: rows that the belief in each coefficient weighs as much as. */
  constructor(start: ArrayLike<number>, strength: readonly number[], halfLifeMs: number, startMs: number) {
    this.logistic = new Logistic(start);
    this.#strength = strength;
    this.#halfLifeMs = halfLifeMs;
    this.#startMs = startMs;
    this.#refitMs = startMs;
  }

  refit(nowMs: number, towards: ArrayLike<number>, scale: number): void {
    this.logistic.forget(2 ** ((this.#refitMs - nowMs) / this.#halfLifeMs));
    this.#refitMs = nowMs;
    const cold = coldScale * 2 ** ((this.#startMs - nowMs) / coldHalfLifeMs);
    this.logistic.refit(towards, this.#strength, scale * (1 + cold));
  }
}
