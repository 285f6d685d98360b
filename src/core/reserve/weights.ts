import { featureSizes, place, type Feature } from "./features.ts";

/** Learning rate. Half and double it move the harvest at a given share waited by less than 0.01. */
const RATE = 0.05;

/** A table of weights for each combination of some features. */
export class Crossing {
  readonly #places: readonly number[];
  readonly #sizes: readonly number[];
  readonly #offset: number;
  readonly length: number;

  constructor(crossed: readonly Feature[], offset: number) {
    this.#places = crossed.map((feature) => place[feature]);
    this.#sizes = crossed.map((feature) => featureSizes[feature]);
    this.#offset = offset;
    this.length = this.#sizes.reduce((product, size) => product * size, 1);
  }

  indexOf(values: Int32Array): number {
    let index = 0;
    for (let i = 0; i < this.#places.length; i++) index = index * this.#sizes[i]! + values[this.#places[i]!]!;
    return this.#offset + index;
  }
}

/** The tables one after the other. */
export function layOut(crossed: readonly (readonly Feature[])[]): { crossings: Crossing[]; length: number } {
  let length = 0;
  const crossings = crossed.map((each) => {
    const crossing = new Crossing(each, length);
    length += crossing.length;
    return crossing;
  });
  return { crossings, length };
}

/** Weights of a logistic model and how they learn: AdaGrad (Duchi et al. 2011), one step a tick however many levels share a weight. */
export class Weights {
  readonly value: Float32Array;
  readonly #squares: Float32Array;
  readonly #slope: Float32Array;
  readonly #touched: number[] = [];

  /** `scratch`: zeros, as it is left after every step, so that many may share one. */
  constructor(length: number, scratch = new Float32Array(length)) {
    this.value = new Float32Array(length);
    this.#squares = new Float32Array(length);
    this.#slope = scratch;
  }

  addSlope(index: number, slope: number): void {
    if (this.#slope[index] === 0) this.#touched.push(index);
    this.#slope[index]! += slope;
  }

  step(): void {
    for (const index of this.#touched) {
      const slope = this.#slope[index]!;
      this.#squares[index]! += slope * slope;
      this.value[index]! -= (RATE * slope) / Math.sqrt(this.#squares[index]! + 1);
      this.#slope[index] = 0;
    }
    this.#touched.length = 0;
  }
}
