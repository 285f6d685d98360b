import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideKill, decidePause } from "../../src/core/forecast/device-decision.ts";
import { HazardChain } from "../../src/core/forecast/hazard-chain.ts";
import { LendOrWait } from "../../src/core/forecast/lend-or-wait.ts";
import { MeetingPrice } from "../../src/core/forecast/meeting-price.ts";
import { WindowCurve } from "../../src/core/forecast/window-curve.ts";

const minuteMs = 60_000;
const costs = { start: 30, end: 10, met: 300, lost: 0 };
const logOddsOf = (p: number) => Math.log(p / (1 - p));

/** A chain on which hazards stay as they are. */
function steadyChain(): HazardChain {
  const chain = new HazardChain(60 * minuteMs, 0);
  for (let logOdds = -7; logOdds <= 3; logOdds += 0.5)
    for (let n = 0; n < 3_000; n++) chain.stayed(logOdds, logOdds);
  return chain;
}

function stopping(chain: HazardChain, intervalMs: number, of = costs): LendOrWait {
  const stop = new LendOrWait();
  for (let n = 0; n < 30; n++) stop.renew(chain, intervalMs, of);
  return stop;
}

describe("lend or wait", () => {
  it("lends where a hazard that stays pays for the start, and not where it does not", () => {
    const stop = stopping(steadyChain(), minuteMs);
    // For ever at hazard h: the run earns 60/h − 30 − 310 in the mean, which is 0 at h = 0.176.
    expect(decideKill(stop.worth(logOddsOf(0.12), 0), { state: "none" }, costs)).toBe("lend");
    expect(decideKill(stop.worth(logOddsOf(0.22), 0), { state: "none" }, costs)).toBeNull();
  });

  it("keeps a guest where it would not lend anew, and gives up where the owner is all but there", () => {
    const stop = stopping(steadyChain(), minuteMs);
    expect(decideKill(stop.worth(logOddsOf(0.19), 0), { state: "running" }, costs)).toBeNull();
    expect(decideKill(stop.worth(logOddsOf(0.6), 0), { state: "running" }, costs)).toBe("vacate");
  });

  it("never asks for less where the owner is more likely to come, or where meetings cost more", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -8, max: 4, noNaN: true }),
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: 0, max: 2_000, noNaN: true }),
        fc.double({ min: 0, max: 2_000, noNaN: true }),
        (logOdds, more, met, extra) => {
          const chain = steadyChain();
          const stop = stopping(chain, minuteMs, { ...costs, met });
          const dear = stopping(chain, minuteMs, { ...costs, met: met + extra });
          expect(stop.worth(logOdds + more, 0)).toBeLessThanOrEqual(stop.worth(logOdds, 0) + 1e-9);
          expect(dear.worth(logOdds, 0)).toBeLessThanOrEqual(stop.worth(logOdds, 0) + 1e-9);
        },
      ),
      { numRuns: 15 },
    );
  });

  it("lends nothing before it was told of a chain", () => {
    expect(decideKill(new LendOrWait().worth(-9, 0), { state: "none" }, costs)).toBeNull();
  });
});

describe("where a guest can be paused", () => {
  const decide = (hazard: number, guest: Parameters<typeof decidePause>[3]) =>
    decidePause(100, hazard, 60, guest, { ...costs, met: 200 }, 600);

  it("stands still for as long as the next interval risks more than it earns", () => {
    expect(decide(0.2, { state: "running" })).toBeNull();
    expect(decide(0.4, { state: "running" })).toBe("pause");
    expect(decide(0.4, { state: "paused", forS: 10 })).toBeNull();
    expect(decide(0.2, { state: "paused", forS: 10 })).toBe("resume");
  });

  it("gives up rather than spend the pause budget on waiting", () => {
    expect(decide(0.4, { state: "paused", forS: 60 })).toBe("vacate");
  });
});

/** Devices whose hazards repeat, lent where the price allows: meetings per GPU-day after some days. */
function meetingsPerGpuDay(max: number, days: number): number {
  const hazards = [0.002, 0.005, 0.01, 0.03, 0.08, 0.2, 0.5];
  const price = new MeetingPrice(max);
  let met = 0;
  let all = 0;
  for (let tick = 0; tick < days * 1_440; tick++) {
    const { priceS } = price;
    const rush = tick % 1_440 < 480 ? 1.5 : 0.5;
    let meetings = 0;
    for (const hazard of hazards) {
      price.saw(hazard * rush, 60);
      if (hazard * rush * priceS > 60) continue;
      // The fraction that is due on average: the mean is exact and nothing is random.
      met += hazard * rush;
      meetings += hazard * rush;
    }
    all += meetings;
    price.took(meetings, hazards.length, minuteMs);
  }
  expect(all).toBeCloseTo(met, 6);
  return met / (hazards.length * days);
}

describe("the price of a meeting", () => {
  it("holds the owner's number", () => {
    for (const max of [2, 8, 20, 60]) {
      const realised = meetingsPerGpuDay(max, 3);
      expect(realised / max).toBeGreaterThan(0.9);
      expect(realised / max).toBeLessThan(1.1);
    }
  });

  it("is nothing where the number is kept anyway", () => {
    const price = new MeetingPrice(1_000);
    for (let tick = 0; tick < 600; tick++) {
      price.saw(0.1, 60);
      price.took(0.1, 1, minuteMs);
    }
    expect(price.priceS).toBe(0);
  });
});

describe("a curve of few horizons", () => {
  const horizonsMs = [1, 5, 15].map((minutes) => minutes * minuteMs);
  const curves = fc
    .array(fc.double({ min: 0.02, max: 0.999, noNaN: true }), { minLength: 3, maxLength: 3 })
    .map((factors) => {
      let survival = 1;
      return factors.map((factor) => (survival *= factor));
    });

  it("goes through its points, and later is what is left of it", () => {
    fc.assert(
      fc.property(curves, fc.integer({ min: 0, max: 40 * minuteMs }), (survival, sinceMs) => {
        const curve = new WindowCurve(horizonsMs, survival, 0);
        for (const [i, horizonMs] of horizonsMs.entries())
          expect(curve.survivalAt(horizonMs)).toBeCloseTo(survival[i]!, 9);
        const later = new WindowCurve(horizonsMs, survival, sinceMs);
        const whole = curve.survivalAt(sinceMs + minuteMs);
        expect(curve.survivalAt(sinceMs) * later.survivalAt(minuteMs)).toBeCloseTo(whole, 9);
      }),
    );
  });

  it("has the mean window that its survival adds up to", () => {
    fc.assert(
      fc.property(curves, (survival) => {
        const curve = new WindowCurve(horizonsMs, survival, 0);
        const horizonMs = 60 * minuteMs;
        let sumMs = 0;
        const stepMs = horizonMs / 6_000;
        for (let n = 0; n < 6_000; n++) sumMs += stepMs * curve.survivalAt((n + 0.5) * stepMs);
        expect(Math.abs(curve.expectedIdleMs(horizonMs) - sumMs)).toBeLessThan(0.001 * horizonMs);
      }),
      { numRuns: 30 },
    );
  });
});
