import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaults } from "../../src/config/defaults.ts";
import { binCount, binEndMs, binOf, binStartMs } from "../../src/core/survival-bins.ts";
import { Forecaster, type SurvivalCurve } from "../../src/core/survival.ts";
import { seeded } from "../support/seeded.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const settings = { halfLifeMs: 6 * hourMs, priorRuns: defaults.forecast.priorRuns, staleMs: 3 * minuteMs };

/** P(a run is longer than t), turned round. */
const weibull = (scaleMs: number, shape: number) => (chance: number) =>
  scaleMs * (-Math.log(chance)) ** (1 / shape);
const exponential = (meanMs: number) => weibull(meanMs, 1);

interface Fleet {
  readonly devices: number;
  readonly tickMs: number;
  readonly ticks: number;
  readonly fromTick?: number;
  readonly runMs: (chance: number) => number;
  readonly pool?: string;
  readonly seed?: number;
}

/** Owners who are busy for two ticks and idle for a drawn time, seen only at ticks. */
function play(
  forecaster: Forecaster,
  { devices, tickMs, ticks, fromTick = 0, runMs, pool = "p", seed = 1 }: Fleet,
): void {
  const random = seeded(seed);
  const returnAtMs = Array.from({ length: devices }, () => 0);
  for (let tick = fromTick; tick < fromTick + ticks; tick++) {
    const atMs = tick * tickMs;
    for (let device = 0; device < devices; device++) {
      if (returnAtMs[device]! <= atMs - 2 * tickMs) returnAtMs[device] = atMs + runMs(1 - random());
      const state = atMs < returnAtMs[device]! ? "idle" : "busy";
      forecaster.observe(pool, `${pool}-${device}`, state, atMs);
    }
  }
}

/** ∫ of survival by the midpoint rule. */
function integrated(curve: SurvivalCurve, horizonMs: number, steps = 4_000): number {
  const stepMs = horizonMs / steps;
  let sumMs = 0;
  for (let step = 0; step < steps; step++) sumMs += curve.survivalAt((step + 0.5) * stepMs) * stepMs;
  return sumMs;
}

function learned(): Forecaster {
  const forecaster = new Forecaster(settings);
  play(forecaster, { devices: 20, tickMs: minuteMs, ticks: 300, runMs: weibull(10 * minuteMs, 0.6) });
  return forecaster;
}

describe("bins of idle age", () => {
  it("cover every age once, from 0 to beyond 7 days", () => {
    expect(binStartMs[0]).toBe(0);
    expect(binStartMs[binCount - 1]).toBeGreaterThanOrEqual(7 * 24 * hourMs);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (ageMs) => {
        const bin = binOf(ageMs);
        expect(ageMs).toBeGreaterThanOrEqual(binStartMs[bin]!);
        expect(ageMs).toBeLessThan(binEndMs(bin));
      }),
    );
    for (let bin = 0; bin < binCount; bin++) expect(binOf(binStartMs[bin]!)).toBe(bin);
  });
});

describe("the written prior", () => {
  const prior = new Forecaster(settings);

  it("tells before anything was seen what the published fleet did", () => {
    const fresh = prior.curve("nobody", 0);
    expect(fresh.survivalAt(2 * minuteMs)).toBeCloseTo(0.5, 1);
    expect(fresh.survivalAt(13 * minuteMs)).toBeCloseTo(0.1, 2);
    expect(fresh.survivalAt(66 * minuteMs)).toBeCloseTo(0.01, 2);
  });

  it("believes the more in a device the longer it has been idle", () => {
    const chances = [0, 1, 10, 60, 600].map((age) =>
      prior.curve("nobody", age * minuteMs).survivalAt(10 * minuteMs),
    );
    expect(chances).toEqual(chances.toSorted((a, b) => a - b));
    expect(new Set(chances).size).toBe(chances.length);
  });
});

describe("a survival curve", () => {
  const forecasters = [new Forecaster(settings), learned()];
  const age = fc.oneof(
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    fc.double({ min: 0, max: 2e9, noNaN: true }),
  );
  const horizon = fc.oneof(
    fc.double({ min: 0, max: 1e5, noNaN: true }),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
  );

  it("starts at 1, stays within 0–1 and never rises", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...forecasters),
        age,
        fc.array(horizon, { minLength: 2 }),
        (forecaster, ageMs, horizons) => {
          const curve = forecaster.curve("p", ageMs);
          expect(curve.survivalAt(0)).toBe(1);
          const values = horizons.toSorted((a, b) => a - b).map((horizonMs) => curve.survivalAt(horizonMs));
          for (const [index, value] of values.entries()) {
            expect(value).toBeGreaterThanOrEqual(0);
            expect(value).toBeLessThanOrEqual(values[index - 1] ?? 1);
          }
        },
      ),
    );
  });

  it("expects as much idle time as the integral of survival", () => {
    fc.assert(
      fc.property(fc.constantFrom(...forecasters), age, horizon, (forecaster, ageMs, horizonMs) => {
        const curve = forecaster.curve("p", ageMs);
        const expectedMs = curve.expectedIdleMs(horizonMs);
        expect(expectedMs).toBeGreaterThanOrEqual(0);
        expect(expectedMs).toBeLessThanOrEqual(horizonMs);
        expect(Math.abs(expectedMs - integrated(curve, horizonMs))).toBeLessThanOrEqual(
          1 + 0.01 * horizonMs * (1 - curve.survivalAt(horizonMs)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("is conditional on the age: S(a + h) = S(a) · S(h | a)", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...forecasters),
        fc.double({ min: 0, max: 1e7, noNaN: true }),
        horizon,
        (forecaster, ageMs, horizonMs) => {
          const fresh = forecaster.curve("p", 0);
          const whole = fresh.survivalAt(ageMs + horizonMs);
          expect(forecaster.curve("p", ageMs).survivalAt(horizonMs) * fresh.survivalAt(ageMs)).toBeCloseTo(
            whole,
            9,
          );
        },
      ),
    );
  });
});

describe("Forecaster", () => {
  it("converges to a memoryless owner, at every age", () => {
    const forecaster = new Forecaster(settings);
    play(forecaster, { devices: 60, tickMs: minuteMs / 2, ticks: 1_000, runMs: exponential(10 * minuteMs) });
    for (const ageMs of [0, 5 * minuteMs, 15 * minuteMs])
      for (const horizonMs of [minuteMs, 5 * minuteMs, 20 * minuteMs])
        expect(forecaster.curve("p", ageMs).survivalAt(horizonMs)).toBeCloseTo(
          Math.exp(-horizonMs / (10 * minuteMs)),
          1,
        );
  });

  it("converges to owners whose hazard falls with age, and to ones whose hazard rises", () => {
    for (const shape of [0.6, 1.5]) {
      const scaleMs = 20 * minuteMs;
      const forecaster = new Forecaster(settings);
      play(forecaster, { devices: 60, tickMs: minuteMs / 2, ticks: 1_500, runMs: weibull(scaleMs, shape) });
      const hazard = (ageMs: number) => (ageMs / scaleMs) ** shape;
      for (const ageMs of [2 * minuteMs, 10 * minuteMs, 20 * minuteMs])
        for (const horizonMs of [2 * minuteMs, 10 * minuteMs])
          expect(
            Math.abs(
              forecaster.curve("p", ageMs).survivalAt(horizonMs) -
                Math.exp(hazard(ageMs) - hazard(ageMs + horizonMs)),
            ),
          ).toBeLessThan(0.06);
    }
  });

  it("serves a fleet that lives 57 times faster just as well", () => {
    const [slow, fast] = [1, 57].map((speed) => {
      const forecaster = new Forecaster({ ...settings, staleMs: settings.staleMs / speed });
      play(forecaster, {
        devices: 60,
        tickMs: 57_000 / speed,
        ticks: 300,
        runMs: (chance) => weibull(20 * minuteMs, 0.7)(chance) / speed,
      });
      return (ageMs: number, horizonMs: number) =>
        forecaster.curve("p", ageMs / speed).survivalAt(horizonMs / speed);
    });
    for (const age of [0, 5, 20])
      for (const horizon of [1, 5, 20])
        expect(fast!(age * minuteMs, horizon * minuteMs)).toBeCloseTo(
          slow!(age * minuteMs, horizon * minuteMs),
          1,
        );
  });

  it("forgets: after a change of regime the new one rules after 8 half-lives", () => {
    const forecaster = new Forecaster({ ...settings, halfLifeMs: hourMs / 2 });
    const busyDay = { devices: 40, tickMs: minuteMs, ticks: 240, runMs: exponential(5 * minuteMs) };
    play(forecaster, busyDay);
    expect(forecaster.curve("p", 0).survivalAt(10 * minuteMs)).toBeLessThan(0.2);
    play(forecaster, { ...busyDay, fromTick: 240, runMs: exponential(60 * minuteMs) });
    expect(forecaster.curve("p", 0).survivalAt(10 * minuteMs)).toBeGreaterThan(0.75);
  });

  it("learns from what was seen of a run that ended in the unknown or in a gap, and counts no return for it", () => {
    const perDevice = (end: (forecaster: Forecaster, device: string) => void) => {
      const forecaster = new Forecaster(settings);
      for (let device = 0; device < 50; device++) {
        forecaster.observe("p", `d${device}`, "busy", 0);
        for (let tick = 1; tick <= 10; tick++) forecaster.observe("p", `d${device}`, "idle", tick * minuteMs);
        end(forecaster, `d${device}`);
      }
      return forecaster.curve("p", 8 * minuteMs).survivalAt(minuteMs);
    };
    const returned = perDevice((forecaster, device) =>
      forecaster.observe("p", device, "busy", 11 * minuteMs),
    );
    const unknown = perDevice((forecaster, device) => {
      forecaster.observe("p", device, "unknown", 11 * minuteMs);
      forecaster.observe("p", device, "busy", 12 * minuteMs);
    });
    const gap = perDevice((forecaster, device) => forecaster.observe("p", device, "busy", 20 * minuteMs));
    expect(returned).toBeLessThan(0.9);
    expect(unknown).toBeGreaterThan(0.98);
    expect(gap).toBeCloseTo(unknown, 3);
  });

  it("learns nothing from a run whose beginning nobody saw", () => {
    const forecaster = new Forecaster(settings);
    const before = forecaster.curve("p", 0).hash;
    for (let tick = 0; tick < 100; tick++) forecaster.observe("p", "d", "idle", tick * minuteMs);
    forecaster.observe("p", "d", "busy", 100 * minuteMs);
    expect(forecaster.curve("p", 0).survivalAt(minuteMs)).toBe(
      new Forecaster(settings).curve("p", 0).survivalAt(minuteMs),
    );
    expect(before).toMatch(/^[0-9a-f]{8}$/);
  });

  it("lends a pool without a history what the other pools taught, until it has its own", () => {
    const forecaster = new Forecaster(settings);
    const steady = {
      devices: 40,
      tickMs: minuteMs,
      ticks: 240,
      runMs: exponential(2 * hourMs),
      pool: "steady",
    };
    play(forecaster, steady);
    const steadyChance = () => forecaster.curve("steady", 0).survivalAt(10 * minuteMs);
    const newChance = () => forecaster.curve("new", 0).survivalAt(10 * minuteMs);
    expect(newChance()).toBeCloseTo(steadyChance(), 1);
    play(forecaster, { ...steady, pool: "new", devices: 5, fromTick: 240, runMs: exponential(4 * minuteMs) });
    expect(newChance()).toBeLessThan(0.25);
    expect(steadyChance()).toBeGreaterThan(0.8);
  });

  it("I7: names the parameters of a curve by a hash that is the same for the same history and another after more", () => {
    const history = { devices: 5, tickMs: minuteMs, ticks: 60, runMs: exponential(5 * minuteMs) };
    const [first, second] = [new Forecaster(settings), new Forecaster(settings)];
    for (const forecaster of [first, second]) play(forecaster, history);
    const curve = first.curve("p", 0);
    const { hash } = curve;
    expect(second.curve("p", 3 * hourMs).hash).toBe(hash);
    const before = curve.survivalAt(minuteMs);
    play(first, { ...history, fromTick: 60 });
    expect(first.curve("p", 0).hash).not.toBe(hash);
    expect([curve.hash, curve.survivalAt(minuteMs)], "a curve in hand does not change").toEqual([
      hash,
      before,
    ]);
  });

  it("keeps curves proper over years of silence and of work", () => {
    const forecaster = learned();
    for (const year of [1, 3, 60]) {
      const atMs = year * 365 * 24 * hourMs;
      forecaster.observe("p", "p-1", "busy", atMs);
      forecaster.observe("p", "p-1", "idle", atMs + minuteMs);
      forecaster.observe("p", "p-1", "idle", atMs + 2 * minuteMs);
      const chance = forecaster.curve("p", minuteMs).survivalAt(10 * minuteMs);
      expect(chance).toBeGreaterThan(0);
      expect(chance).toBeLessThan(1);
    }
  });

  it("I11: forgets devices that are gone, and pools with their last device", () => {
    const forecaster = learned();
    const taught = forecaster.curve("p", 0).hash;
    for (let device = 0; device < 20; device++) forecaster.forget(`p-${device}`);
    expect(forecaster.curve("p", 0).hash).not.toBe(taught);
    expect(forecaster.curve("p", 0).hash).toBe(forecaster.curve("never seen", 0).hash);
  });
});
