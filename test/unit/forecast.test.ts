import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OwnerState } from "../../src/core/device.ts";
import { DeviceForecast, defaultDeviceForecastSettings } from "../../src/core/forecast/device-forecast.ts";
import type { Reading } from "../../src/core/forecast/reading.ts";
import { seeded } from "../../src/backtest/seeded.ts";

const minuteMs = 60_000;
const settings = { ...defaultDeviceForecastSettings, gapMs: 3 * minuteMs };

function readingOf(device: string, atMs: number, owner: OwnerState, pool = "p"): Reading {
  const utilPct = owner === "unknown" ? null : owner === "busy" ? 40 : 0;
  return { pool, device, atMs, owner, utilPct, memoryUsedMib: 20_000 };
}

interface Fleet {
  readonly pool?: string;
  readonly devices?: number;
  readonly tickMs?: number;
  readonly hours: number;
  readonly fromMs?: number;
  /** Of each device, returns per idle minute. */
  readonly rate: (device: number) => number;
  readonly seed?: number;
}

/** Owners that come back at a constant rate and work for two minutes. Returns the time after the last tick. */
function play(forecast: DeviceForecast, fleet: Fleet): number {
  const { pool = "p", devices = 40, tickMs = minuteMs, hours, fromMs = 0, rate, seed = 1 } = fleet;
  const random = seeded(seed);
  const busyUntilMs = Array.from({ length: devices }, () => fromMs + 2 * minuteMs);
  const ticks = Math.round((hours * 60 * minuteMs) / tickMs);
  for (let tick = 0; tick < ticks; tick++) {
    const atMs = fromMs + tick * tickMs;
    for (let device = 0; device < devices; device++) {
      const returns =
        busyUntilMs[device]! <= atMs && random() < -Math.expm1(-rate(device) * (tickMs / minuteMs));
      if (returns) busyUntilMs[device] = atMs + 2 * minuteMs;
      const owner = busyUntilMs[device]! > atMs ? "busy" : "idle";
      forecast.observe(readingOf(`${pool}-${device}`, atMs, owner, pool));
    }
    forecast.settle(atMs);
  }
  return fromMs + ticks * tickMs;
}

/** Mean chance, over the devices that are idle, that the owner is back within a minute. */
function meanPerMinute(forecast: DeviceForecast, devices: readonly string[]): number {
  const said = devices.flatMap((device) => {
    const outlook = forecast.outlook(device);
    return outlook === null ? [] : [1 / (1 + Math.exp(-outlook.logOdds))];
  });
  return said.reduce((sum, p) => sum + p, 0) / said.length;
}

const names = (count: number, pool = "p") => Array.from({ length: count }, (_, i) => `${pool}-${i}`);

const steps = fc.array(
  fc.record({
    passedMs: fc.oneof(fc.constant(minuteMs), fc.integer({ min: 1, max: 10 * minuteMs })),
    owners: fc.array(fc.constantFrom<OwnerState>("idle", "idle", "idle", "busy", "unknown"), {
      minLength: 3,
      maxLength: 3,
    }),
    memoryUsedMib: fc.option(fc.integer({ min: 0, max: 80_000 })),
  }),
  { minLength: 1, maxLength: 80 },
);
type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never;

/** What is said after each step: everything that a caller can ask. */
function answers(history: Steps): unknown[] {
  const forecast = new DeviceForecast(settings);
  let atMs = 0;
  return history.map(({ passedMs, owners, memoryUsedMib }) => {
    atMs += passedMs;
    for (const [i, owner] of owners.entries())
      forecast.observe({ ...readingOf(`d${i}`, atMs, owner, i === 0 ? "a" : "b"), memoryUsedMib });
    forecast.settle(atMs);
    return owners.map((_, i) => {
      const curve = forecast.curve(`d${i}`, atMs + 1_000);
      return [forecast.outlook(`d${i}`), curve?.hash, curve?.survivalAt(7 * minuteMs)];
    });
  });
}

describe("what is said of a device", () => {
  it("is the same for the same readings, and depends on no later one", () => {
    fc.assert(
      fc.property(steps, fc.nat(), (history, cut) => {
        const part = history.slice(0, 1 + (cut % history.length));
        expect(answers(history).slice(0, part.length)).toEqual(answers(part));
      }),
      { numRuns: 40 },
    );
  });

  it("is a chance for every device that is idle, and nothing for one that is busy or unknown", () => {
    fc.assert(
      fc.property(steps, (history) => {
        const forecast = new DeviceForecast(settings);
        let atMs = 0;
        for (const { passedMs, owners, memoryUsedMib } of history) {
          atMs += passedMs;
          for (const [i, owner] of owners.entries())
            forecast.observe({ ...readingOf(`d${i}`, atMs, owner), memoryUsedMib });
          forecast.settle(atMs);
          for (const [i, owner] of owners.entries()) {
            const hazard = forecast.outlook(`d${i}`)?.hazard ?? null;
            if (owner !== "idle") expect(hazard).toBeNull();
            else expect(hazard).toSatisfy((h: number) => h > 0 && h < 1);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it("is a falling curve whose mean window fits its horizon", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 90 * minuteMs }), (history, laterMs) => {
        const forecast = new DeviceForecast(settings);
        let atMs = 0;
        for (const { passedMs } of history) {
          atMs += passedMs;
          forecast.observe(readingOf("d", atMs, "idle"));
          forecast.settle(atMs);
        }
        const curve = forecast.curve("d", atMs + laterMs)!;
        let before = 1;
        let meanBefore = 0;
        for (const minutes of [0, 0.1, 1, 3, 5, 14, 30, 59, 61, 200, 5_000]) {
          const survival = curve.survivalAt(minutes * minuteMs);
          const mean = curve.expectedIdleMs(minutes * minuteMs);
          expect(survival).toBeGreaterThanOrEqual(0);
          expect(survival).toBeLessThanOrEqual(before);
          expect(mean).toBeGreaterThanOrEqual(meanBefore - 1e-6);
          expect(mean).toBeLessThanOrEqual(minutes * minuteMs);
          [before, meanBefore] = [survival, mean];
        }
      }),
      { numRuns: 40 },
    );
  });

  it("ignores a reading that is not later than the last", () => {
    const forecast = new DeviceForecast(settings);
    for (const tick of [0, 1, 2]) {
      forecast.observe(readingOf("d", tick * minuteMs, "idle"));
      forecast.settle(tick * minuteMs);
    }
    const said = forecast.outlook("d");
    forecast.observe(readingOf("d", 2 * minuteMs, "busy"));
    forecast.settle(2 * minuteMs);
    expect(forecast.outlook("d")).toEqual(said);
  });
});

describe("what is learned", () => {
  it("comes near the true hazard", () => {
    const forecast = new DeviceForecast(settings);
    play(forecast, { hours: 5, rate: () => 0.05 });
    expect(meanPerMinute(forecast, names(40))).toBeGreaterThan(0.035);
    expect(meanPerMinute(forecast, names(40))).toBeLessThan(0.065);
  });

  it("tells restless devices from quiet ones", () => {
    const forecast = new DeviceForecast(settings);
    play(forecast, { hours: 4, rate: (device) => (device < 20 ? 0.2 : 0.01) });
    const restless = meanPerMinute(forecast, names(40).slice(0, 20));
    const quiet = meanPerMinute(forecast, names(40).slice(20));
    expect(restless).toBeGreaterThan(5 * quiet);
  });

  it("follows when owners begin to come more often", () => {
    const forecast = new DeviceForecast(settings);
    const fromMs = play(forecast, { hours: 4, rate: () => 0.01 });
    const before = meanPerMinute(forecast, names(40));
    play(forecast, { hours: 0.5, fromMs, rate: () => 0.15, seed: 2 });
    expect(meanPerMinute(forecast, names(40))).toBeGreaterThan(4 * before);
  });

  it("means the same hazard at another sampling period", () => {
    const said = [15_000, minuteMs].map((tickMs) => {
      const forecast = new DeviceForecast(settings);
      play(forecast, { devices: 20, hours: 2, tickMs, rate: () => 0.05 });
      return meanPerMinute(forecast, names(20));
    });
    expect(said[0]! / said[1]!).toBeGreaterThan(0.6);
    expect(said[0]! / said[1]!).toBeLessThan(1.6);
  });

  it("is where a new pool begins", () => {
    const [busy, calm] = [0.3, 0.005].map((rate) => {
      const forecast = new DeviceForecast(settings);
      const fromMs = play(forecast, { hours: 2, rate: () => rate });
      for (const tick of [0, 1, 2]) {
        forecast.observe(readingOf("new", fromMs + tick * minuteMs, "idle", "other"));
        forecast.settle(fromMs + tick * minuteMs);
      }
      return forecast.outlook("new")!.hazard;
    });
    expect(busy).toBeGreaterThan(2 * calm!);
  });

  it("makes curves that tell how many windows last", () => {
    const forecast = new DeviceForecast(settings);
    const atMs = play(forecast, { hours: 6, rate: () => 0.05 });
    for (const minutes of [1, 5, 15, 30]) {
      const said = names(40).flatMap(
        (device) => forecast.curve(device, atMs - minuteMs)?.survivalAt(minutes * minuteMs) ?? [],
      );
      const mean = said.reduce((sum, p) => sum + p, 0) / said.length;
      expect(Math.abs(mean - Math.exp(-0.05 * minutes))).toBeLessThan(0.07);
    }
  });

  it("I11: leaves nothing of a device that is gone to the one that comes after it, nor of a pool with its last device", () => {
    const fresh = new DeviceForecast(settings);
    const used = new DeviceForecast(settings);
    play(used, { devices: 3, hours: 2, rate: () => 0.2 });
    for (const device of names(3)) used.forget(device);
    expect(used.chain("p")).toBeNull();
    const fromMs = 3 * 60 * minuteMs;
    for (const forecast of [fresh, used]) {
      forecast.observe(readingOf("next", fromMs, "idle"));
      forecast.observe(readingOf("next", fromMs + minuteMs, "unknown"));
      forecast.settle(fromMs + minuteMs);
      expect(forecast.outlook("next")).toBeNull();
      expect(forecast.intervalMs("p")).toBe(fresh.intervalMs("p"));
    }
  });
});
