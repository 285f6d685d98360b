import { describe, expect, it } from "vitest";
import { figuresOf } from "../support/backtest/figures.ts";
import golden from "../support/backtest/golden.json" with { type: "json" };
import { deviceCase, poolCase } from "../support/backtest/random-cases.ts";

/** Made by the referee, whom test/integration/backtest-referee.test.ts asks again where it can be had. */
describe("the scores of small traces", () => {
  it.each(Object.entries(golden.devices))("of devices are the referee's: seed %s", async (seed, figures) => {
    expectClose(await figuresOf(deviceCase(Number(seed))), figures);
  });

  it.each(Object.entries(golden.pools))("of pools are the referee's: seed %s", async (seed, figures) => {
    expectClose(await figuresOf(poolCase(Number(seed))), figures);
  });
});

function expectClose(ours: Readonly<Record<string, number>>, theirs: Readonly<Record<string, number>>): void {
  expect(Object.keys(ours).toSorted()).toEqual(Object.keys(theirs).toSorted());
  for (const [name, value] of Object.entries(theirs)) expect(ours[name], name).toBeCloseTo(value, 7);
}
