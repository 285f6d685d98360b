import { describe, expect, it } from "vitest";
import { Logistic, probability } from "../../src/core/forecast/logistic.ts";

/** Rows that cover [−1, 1] evenly, with as many events as the truth has on average: no randomness is needed. */
function teach(model: Logistic, truth: readonly [number, number], times: number): void {
  for (let n = 0; n < times; n++) {
    const x = -1 + (2 * ((n * 37) % 101)) / 100;
    const p = probability(truth[0] + truth[1] * x);
    model.add([1, x], (n * 0.618_033_988_75) % 1 < p);
  }
}

const weak = [0.1, 0.1];
const nowhere = [0, 0];

function fitted(model: Logistic, rounds: number, truth: readonly [number, number]): Float64Array {
  for (let round = 0; round < rounds; round++) {
    model.forget(0.9);
    teach(model, truth, 200);
    model.refit(nowhere, weak, 1);
  }
  return model.coefficients;
}

describe("recursive logistic regression", () => {
  it("finds the coefficients", () => {
    const [intercept, slope] = fitted(new Logistic(nowhere), 40, [-1.5, 1.2]);
    expect(Math.abs(intercept! + 1.5)).toBeLessThan(0.2);
    expect(Math.abs(slope! - 1.2)).toBeLessThan(0.3);
  });

  it("forgets what no longer holds", () => {
    const model = new Logistic(nowhere);
    fitted(model, 40, [-1.5, 1.2]);
    const [intercept, slope] = fitted(model, 40, [0.5, -1]);
    expect(Math.abs(intercept! - 0.5)).toBeLessThan(0.2);
    expect(Math.abs(slope! + 1)).toBeLessThan(0.3);
  });

  it("stays with the belief while it knows nothing, and comes back to it as it forgets", () => {
    const model = new Logistic([-2, 0.5]);
    model.refit([-2, 0.5], weak, 1);
    expect([...model.coefficients]).toEqual([-2, 0.5]);
    teach(model, [1, -1], 200);
    model.refit([-2, 0.5], weak, 1);
    expect(model.coefficients[0]).toBeGreaterThan(-1);
    for (let n = 0; n < 50; n++) {
      model.forget(0.5);
      model.refit([-2, 0.5], weak, 1);
    }
    expect(model.coefficients[0]).toBeCloseTo(-2, 3);
  });

  it("takes an offset as given", () => {
    const model = new Logistic([0]);
    for (let round = 0; round < 30; round++) {
      for (let n = 0; n < 100; n++) model.add([1], n < 20, Math.log(4));
      model.refit([0], [0.001], 1);
    }
    expect(model.coefficients[0]).toBeCloseTo(Math.log(0.25) - Math.log(4), 1);
  });

  it("survives surprises without end", () => {
    const model = new Logistic(nowhere);
    for (let n = 0; n < 500; n++) {
      model.add([1, n % 2 === 0 ? 50 : -50], n < 250);
      model.refit(nowhere, weak, 1);
      for (const coefficient of model.coefficients) expect(Number.isFinite(coefficient)).toBe(true);
    }
  });
});
