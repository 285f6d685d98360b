import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaults } from "../../src/config/defaults.ts";
import { Breaker } from "../../src/core/breaker.ts";
import { MeetingsMeter } from "../../src/core/meetings-meter.ts";

const settings = { ...defaults.forecast, breakerFactor: 2 };
const hourMs = 3_600_000;
const keys = { device: "GPU-1", owner: "search", pool: "serving", ownerDevices: 400, poolDevices: 40 };

describe("Breaker", () => {
  it("asks for nothing more where nothing went wrong", () => {
    expect(new Breaker(settings).requiredIdleFactor("GPU-1", "search", "serving", 0)).toBe(1);
  });

  it("doubles for each early return on the device, up to the limit", () => {
    const breaker = new Breaker(settings);
    const factors = Array.from({ length: 8 }, () => {
      breaker.earlyReturn(keys, 0);
      return breaker.requiredIdleFactor("GPU-1", "search", "serving", 0);
    });
    expect(factors.map(Math.round)).toEqual([2, 4, 8, 16, 32, 64, 64, 64]);
  });

  it("halves the strikes in each half-life and forgets them in the end", () => {
    const breaker = new Breaker(settings);
    breaker.earlyReturn(keys, 0);
    breaker.earlyReturn(keys, 0);
    const after = (hours: number) => breaker.requiredIdleFactor("GPU-1", "search", "serving", hours * hourMs);
    expect(after(1)).toBeCloseTo(2, 9);
    expect(after(2)).toBeCloseTo(Math.SQRT2, 9);
    expect(after(10)).toBe(1);
  });

  it("holds back devices that were not struck once a quarter of their pool was, whatever the pool's size", () => {
    for (const poolDevices of [8, 80, 800]) {
      const breaker = new Breaker(settings);
      const others = () => breaker.requiredIdleFactor("GPU-other", "somebody", "serving", 0);
      breaker.earlyReturn({ ...keys, poolDevices }, 0);
      expect(others()).toBeLessThan(1.5);
      for (let index = 1; index < poolDevices / 4; index++)
        breaker.earlyReturn({ ...keys, device: `GPU-${index}`, poolDevices }, 0);
      expect(others()).toBeCloseTo(2, 9);
      expect(breaker.requiredIdleFactor("GPU-other", "somebody", "another", 0)).toBe(1);
    }
  });

  it("I11: never grows without bound, in factor or in memory", () => {
    const strike = fc.record({
      device: fc.integer({ min: 0, max: 9 }),
      gapMs: fc.integer({ min: 0, max: hourMs }),
    });
    fc.assert(
      fc.property(fc.array(strike, { maxLength: 60 }), (strikes) => {
        const breaker = new Breaker(settings);
        let atMs = 0;
        for (const { device, gapMs } of strikes) {
          atMs += gapMs;
          breaker.earlyReturn({ ...keys, device: `GPU-${device}` }, atMs);
          const factor = breaker.requiredIdleFactor(`GPU-${device}`, "search", "serving", atMs);
          expect(factor).toBeGreaterThanOrEqual(2 - 1e-9);
          expect(factor).toBeLessThanOrEqual(settings.breakerFactorMax * (1 + 1e-9));
        }
      }),
    );
    const crowd = new Breaker(settings);
    for (let index = 0; index < 270_000; index++) crowd.earlyReturn({ ...keys, device: `GPU-${index}` }, 0);
    expect(crowd.requiredIdleFactor("GPU-0", "", "", 0), "the first struck is forgotten").toBe(1);
    expect(crowd.requiredIdleFactor("GPU-269999", "", "", 0)).toBeCloseTo(2, 9);
  });
});

describe("MeetingsMeter", () => {
  const dayMs = 24 * hourMs;
  const limit = { devices: 8, meetingsPerGpuDayMax: 0.5 };

  it("allows everything without a limit and nothing with a limit of 0", () => {
    const meter = new MeetingsMeter();
    for (let index = 0; index < 100; index++) meter.met("serving", index);
    expect(meter.lendingAllowed("serving", { devices: 8, meetingsPerGpuDayMax: null }, 100)).toBe(true);
    expect(new MeetingsMeter().lendingAllowed("serving", { devices: 8, meetingsPerGpuDayMax: 0 }, 100)).toBe(
      false,
    );
  });

  it("stops a pool at a day's worth and lets it go on as that is paid off", () => {
    const meter = new MeetingsMeter();
    for (let index = 0; index < 4; index++) {
      expect(meter.lendingAllowed("serving", limit, 0)).toBe(true);
      meter.met("serving", 0);
    }
    expect(meter.lendingAllowed("serving", limit, 0)).toBe(false);
    expect(meter.lendingAllowed("research", limit, 0)).toBe(true);
    expect(meter.lendingAllowed("serving", limit, dayMs / 4 - 1_000)).toBe(false);
    expect(meter.lendingAllowed("serving", limit, dayMs / 4)).toBe(true);
  });

  it("keeps the limit in the long run against a pool whose every lending is met at once", () => {
    const fleets = fc.record({
      devices: fc.integer({ min: 1, max: 50 }),
      meetingsPerGpuDayMax: fc.double({ min: 0.05, max: 20, noNaN: true }),
    });
    fc.assert(
      fc.property(fleets, (limit) => {
        const meter = new MeetingsMeter();
        const days = 30;
        let meetings = 0;
        for (let atMs = 0; atMs < days * dayMs; atMs += dayMs / 24) {
          if (!meter.lendingAllowed("serving", limit, atMs)) continue;
          meter.met("serving", atMs);
          meetings += 1;
        }
        const perDay = limit.devices * limit.meetingsPerGpuDayMax;
        expect(meetings).toBeLessThanOrEqual((days + 1) * perDay + 1);
        expect(meetings).toBeGreaterThanOrEqual(Math.min(days * 24, Math.floor(days * perDay)) * 0.9 - 1);
      }),
    );
  });
});
