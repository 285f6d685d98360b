import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../bench/harness/random.ts";
import { isFlat, trendOf, type Point } from "../../bench/harness/trend.ts";

const hourMs = 3_600_000;
const sampled = (count: number, valueAt: (i: number) => number): Point[] =>
  Array.from({ length: count }, (_, i) => ({ atMs: i * 5_000, value: valueAt(i) }));

describe("a soak's verdict", () => {
  it("tells a line's slope exactly", () => {
    const trend = trendOf(sampled(100, (i) => 7 + (i * 5_000 * 3) / hourMs));
    expect(trend.slopePerH).toBeCloseTo(3, 6);
    expect(trend.errorPerH).toBeCloseTo(0, 6);
    expect(isFlat(trend, 0)).toBe(false);
    expect(isFlat(trend, 4)).toBe(true);
  });

  it("has the true slope within two errors in 19 of 20 cases, and finds a leak in noise", () => {
    const random = new SeededRandom(1);
    let within = 0;
    for (let run = 0; run < 400; run += 1) {
      const { slopePerH, errorPerH } = trendOf(sampled(120, () => 100 + random.next()));
      if (Math.abs(slopePerH) < 2 * errorPerH) within += 1;
    }
    expect(within / 400).toBeGreaterThan(0.92);
    const leak = trendOf(sampled(120, (i) => 100 + random.next() + i * 0.01));
    expect(isFlat(leak, 1)).toBe(false);
  });

  it("takes no saw tooth for a leak, wherever the samples end in it", () => {
    for (let count = 60; count < 120; count += 1)
      expect(isFlat(trendOf(sampled(count, (i) => 10 + (i % 20))), 0)).toBe(true);
  });

  it("calls nothing a leak that falls", () => {
    expect(isFlat(trendOf(sampled(50, (i) => 100 - i)), 0)).toBe(true);
  });
});
