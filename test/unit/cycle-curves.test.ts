import { describe, expect, it } from "vitest";
import { SnapshotCurves } from "../../src/core/snapshot-curves.ts";
import { Forecaster } from "../../src/core/survival.ts";

const settings = { halfLifeMs: 3_600_000, priorRuns: 4, staleMs: 60_000 };

describe("the curves of a snapshot", () => {
  it("are one object for all devices of a pool that have been idle for about as long, cycle after cycle", () => {
    const curves = new SnapshotCurves(new Forecaster(settings));
    curves.refresh();
    const curve = curves.of("pool-1", 60_000);
    expect(curves.of("pool-1", 60_100)).toBe(curve);
    expect(curves.of("pool-1", 90_000)).not.toBe(curve);
    curves.refresh();
    expect(curves.of("pool-1", 60_050)).toBe(curve);
  });

  it("promise no more than the device's own curve, as hazards fall with age", () => {
    const forecaster = new Forecaster(settings);
    const curves = new SnapshotCurves(forecaster);
    curves.refresh();
    for (const ageMs of [0, 150, 61_234, 3_599_999])
      for (const horizonMs of [15_000, 340_000, 3_600_000])
        expect(curves.of("pool-1", ageMs).survivalAt(horizonMs)).toBeLessThanOrEqual(
          forecaster.curve("pool-1", ageMs).survivalAt(horizonMs) + 1e-12,
        );
  });

  it("change when the forecast has learned", () => {
    const forecaster = new Forecaster(settings);
    const curves = new SnapshotCurves(forecaster);
    curves.refresh();
    const before = curves.of("pool-1", 60_000);
    for (let at = 0; at < 20; at++)
      forecaster.observe("pool-1", "GPU-a", at % 2 === 0 ? "busy" : "idle", at * 15_000);
    curves.refresh();
    expect(curves.of("pool-1", 60_000).hash).not.toBe(before.hash);
    expect(curves.of("pool-2", 60_000).survivalAt(60_000)).toBeGreaterThan(0);
  });
});
