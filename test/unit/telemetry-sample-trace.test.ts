import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { makeSampleTrace, sampleSeed, traceStatistics } from "../../scripts/make-sample-trace.ts";

const packed = readFileSync(new URL("../../examples/sample.devices.csv.gz", import.meta.url));
const csv = gunzipSync(packed).toString("utf8");

describe("the sample trace that the repository ships", () => {
  it("is what its generator makes of its seed, and another seed makes another", () => {
    expect(makeSampleTrace(sampleSeed) === csv).toBe(true);
    expect(makeSampleTrace(sampleSeed + 1) === csv).toBe(false);
  });

  it("is small, and has 16 devices in two pools for four hours", () => {
    expect(packed.length).toBeLessThan(200_000);
    const statistics = traceStatistics(csv);
    expect(statistics.devices).toBe(16);
    expect(statistics.hours).toBeCloseTo(4, 1);
    expect(
      new Set(
        csv
          .trim()
          .split("\n")
          .slice(1)
          .map((row) => row.split(",")[2]),
      ),
    ).toEqual(new Set(["serving", "research"]));
  });

  it("has the statistics of the fleet that it is made after", () => {
    const { idleSharePct, idleRunMin, busyRunMin, idleHeldGib, missingPct } = traceStatistics(csv);
    const near = (values: readonly number[], wanted: readonly number[], share: number) => {
      for (const [index, want] of wanted.entries()) {
        expect(values[index]).toBeGreaterThan(want * (1 - share));
        expect(values[index]).toBeLessThan(want * (1 + share));
      }
    };
    near([idleSharePct], [72], 0.05);
    near(idleRunMin, [1, 2, 13, 66], 0.15);
    near(busyRunMin, [2, 13], 0.15);
    near(idleHeldGib, [17, 24, 30], 0.05);
    expect(missingPct).toBeGreaterThan(1);
    expect(missingPct).toBeLessThan(4);
  });

  it("gives a demonstration of 120 ticks enough to show: returns, and windows long enough to work in", () => {
    const { returnsInFirst120Ticks, idleRunsOf15TicksInFirst120 } = traceStatistics(csv);
    expect(returnsInFirst120Ticks).toBeGreaterThanOrEqual(60);
    expect(idleRunsOf15TicksInFirst120).toBeGreaterThanOrEqual(5);
  });
});
