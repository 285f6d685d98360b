import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ForecastAudit } from "../../src/core/forecast/forecast-audit.ts";
import { Calibrations } from "../../src/core/forecast/calibration.ts";
import type { SurvivalCurve } from "../../src/core/survival-curve.ts";
import { seeded } from "../../src/backtest/seeded.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const gapMs = 2 * minuteMs;

/** Always the same chance to stay idle. */
function staying(chance: number): SurvivalCurve {
  return { survivalAt: () => chance, expectedIdleMs: () => 0, hash: "" };
}

const owners = { ".": "idle", x: "busy", "?": "unknown" } as const;

/** A device's readings minute by minute, `.` idle, `x` busy, `?` unknown, `_` none; asked at each idle one. */
function watch(
  audit: ForecastAudit,
  readings: string,
  { pool = "p", device = "d", chance = 0.9 } = {},
): void {
  for (const [minute, mark] of readings.split("").entries()) {
    const owner = owners[mark as keyof typeof owners];
    if (owner === undefined) continue;
    audit.observe(pool, device, owner, minute * minuteMs);
    if (owner === "idle") audit.ask(device, minute * minuteMs, () => staying(chance));
  }
}

function within(audit: ForecastAudit, minutes: number) {
  return audit.figures(null).find(({ horizonMs }) => horizonMs === minutes * minuteMs)!;
}

describe("what judges a forecast", () => {
  it("counts an owner who is back until the question is due, and asks anew when it was answered", () => {
    const audit = new ForecastAudit(gapMs);
    watch(audit, "..x..x");
    // Asked at 0, 1, 3 and 4; owners come at 2 and 5.
    expect(within(audit, 1)).toMatchObject({ count: 4, came: 0.5 });
    expect(within(audit, 1).said).toBeCloseTo(0.1);
    expect(within(audit, 1).brier).toBeCloseTo((2 * 0.1 ** 2 + 2 * 0.9 ** 2) / 4);
    expect(within(audit, 5)).toMatchObject({ count: 1, came: 1 });
    expect(within(audit, 15)).toMatchObject({
      count: 0,
      said: null,
      came: null,
      brier: null,
      interval: null,
    });
  });

  it("answers nothing by what is lost from sight, whether told unknown or not at all", () => {
    for (const readings of ["....?....", "....___....", "....?xxxxx"]) {
      const audit = new ForecastAudit(gapMs);
      watch(audit, readings);
      expect(within(audit, 5).count).toBe(0);
    }
  });

  it("judges what was said when it was said: a curve is asked for only where something is to be asked", () => {
    const audit = new ForecastAudit(gapMs);
    let asked = 0;
    for (let second = 0; second <= 60; second += 15) {
      audit.observe("p", "d", "idle", second * 1_000);
      audit.ask("d", second * 1_000, () => {
        asked += 1;
        return staying(0.5);
      });
    }
    // At 0 of all horizons, and at 60 s of the next minute.
    expect(asked).toBe(2);
  });

  it("keeps pools apart, and starts anew with a device that moves to another", () => {
    const audit = new ForecastAudit(gapMs);
    watch(audit, "....", { pool: "a", device: "1" });
    watch(audit, "..x", { pool: "b", device: "2" });
    audit.observe("b", "1", "busy", 4 * minuteMs);
    expect(audit.pools()).toEqual(["b"]);
    expect(audit.figures("b")[0]!.count).toBe(2);
    expect(audit.figures("a")[0]!.count).toBe(0);
    expect(within(audit, 1).count).toBe(5);
  });

  it("I11: forgets a device, and with the last of a pool what was counted of it; another takes its place", () => {
    const audit = new ForecastAudit(gapMs);
    watch(audit, "....", { pool: "a", device: "1" });
    audit.forget("1");
    audit.forget("never seen");
    expect(audit.pools()).toEqual([]);
    watch(audit, ".", { pool: "a", device: "2" });
    // Nothing of the first one is under way.
    expect(within(audit, 1).count).toBe(3);
    watch(audit, "_._", { pool: "a", device: "2" });
    expect(within(audit, 1).count).toBe(4);
  });

  it("finds calibrated what says what comes", () => {
    const random = seeded(3);
    const audit = new ForecastAudit(gapMs);
    const backWithin = 0.2;
    for (let device = 0; device < 20; device++) {
      const readings = Array.from({ length: 600 }, () => (random() < backWithin ? "x" : ".")).join("");
      watch(audit, readings, { device: `d${device}`, chance: 1 - backWithin });
    }
    const { said, came } = within(audit, 1);
    expect(Math.abs(said! - came!)).toBeLessThan(0.02);
  });
});

describe("sums of answers", () => {
  it("are told of the hours that reach into a range", () => {
    const sums = new Calibrations(24);
    for (let hour = 0; hour < 10; hour++) sums.add(0, 0.5, hour % 2 === 0, hour * hourMs + 1);
    expect(sums.figures(3.5 * hourMs, 5 * hourMs)[0]).toMatchObject({ count: 3, came: 1 / 3 });
    expect(sums.fromMs(3.5 * hourMs)).toBe(3 * hourMs);
    expect(sums.fromMs(20 * hourMs)).toBeNull();
  });

  it("I11: keep the newest hours only", () => {
    const sums = new Calibrations(3);
    for (let hour = 0; hour < 10; hour++) sums.add(0, 0.5, true, hour * hourMs);
    expect(sums.figures()[0]!.count).toBe(3);
    expect(sums.fromMs()).toBe(7 * hourMs);
  });

  it("say how sure they are from six hours on", () => {
    const sums = new Calibrations(24);
    for (let hour = 0; hour < 5; hour++) sums.add(0, 0.5, hour % 2 === 0, hour * hourMs);
    expect(sums.figures()[0]!.interval).toBeNull();
    sums.add(0, 0.5, true, 5 * hourMs);
    expect(sums.figures()[0]!.interval).not.toBeNull();
  });

  it("hold the truth in about 95 of 100 days, owners of an hour coming together", () => {
    const random = seeded(11);
    let held = 0;
    const days = 400;
    for (let day = 0; day < days; day++) {
      const sums = new Calibrations(24);
      for (let hour = 0; hour < 24; hour++) {
        const chanceOfHour = random() < 0.5 ? 0.1 : 0.5;
        for (let i = 0; i < 50; i++) sums.add(0, 0.3, random() < chanceOfHour, hour * hourMs);
      }
      const { low, high } = sums.figures()[0]!.interval!;
      held += Number(low <= 0 && 0 <= high);
    }
    expect(held / days).toBeGreaterThan(0.92);
    expect(held / days).toBeLessThan(0.98);
  });

  it("are not moved by a time that goes back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1 }), (hours) => {
        const sums = new Calibrations(Infinity);
        for (const hour of hours) sums.add(0, 0.5, true, hour * hourMs);
        expect(sums.figures()[0]!.count).toBe(hours.length);
      }),
    );
  });
});
