import { describe, expect, it } from "vitest";
import { bootstrap, ratioOf } from "../../bench/harness/bootstrap.ts";
import { SeededRandom } from "../../bench/harness/random.ts";

const mean = ratioOf(
  (block: number) => block,
  () => 1,
);

/** Means of `count` coins that show 1 with the chance p. */
function coins(random: SeededRandom, count: number, p: number): number[] {
  return Array.from({ length: count }, () => Number(random.chance(p)));
}

describe("a bootstrap over blocks", () => {
  it("is a point where all blocks are alike, and the same for a seed", () => {
    expect(bootstrap([3, 3, 3], mean)).toEqual({ low: 3, high: 3 });
    const blocks = coins(new SeededRandom(5), 50, 0.3);
    expect(bootstrap(blocks, mean, 7)).toEqual(bootstrap(blocks, mean, 7));
  });

  it("holds the truth in about 95 of 100 samples", () => {
    const random = new SeededRandom(2);
    let held = 0;
    for (let sample = 0; sample < 200; sample++) {
      const { low, high } = bootstrap(coins(random, 100, 0.3), mean, sample);
      held += Number(low <= 0.3 && 0.3 <= high);
    }
    expect(held / 200).toBeGreaterThan(0.89);
    expect(held / 200).toBeLessThan(0.99);
  });

  it("is wider where whole blocks go together", () => {
    const values = coins(new SeededRandom(3), 40, 0.5).flatMap((value) =>
      Array.from({ length: 10 }, () => value),
    );
    const blocks = Array.from({ length: 40 }, (_, index) => values.slice(10 * index, 10 * index + 10));
    const together = bootstrap(
      blocks,
      ratioOf(
        (block) => block.reduce((sum, value) => sum + value, 0),
        (block) => block.length,
      ),
    );
    const alone = bootstrap(values, mean);
    expect(together.high - together.low).toBeGreaterThan(2 * (alone.high - alone.low));
  });

  it("leaves out draws that have no figure", () => {
    const rate = ratioOf(
      ({ met }: { met: number; days: number }) => met,
      ({ days }) => days,
    );
    const { low, high } = bootstrap(
      [
        { met: 0, days: 0 },
        { met: 2, days: 1 },
      ],
      rate,
    );
    expect([low, high]).toEqual([2, 2]);
  });
});
