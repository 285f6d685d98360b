import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { believedCosts, lendingTerms } from "../../src/controller/lending-terms.ts";
import { OwnerForecast } from "../../src/controller/owner-forecast.ts";
import { CostsMeter } from "../../src/core/forecast/costs-meter.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { pool } from "../support/snapshots.ts";
import { seeded } from "../../src/backtest/seeded.ts";

const log = createLogger({ name: "test", level: "silent" });

/** Ten devices whose owners come and go; those of `restless` return every few readings, the others hardly ever. */
async function learned({ speed = 1, restless = 5, readings = 400 } = {}) {
  const settings = parseSettings(
    { forecast: { speed }, telemetry: { sampleIntervalMs: 60_000 / speed, staleMs: 150_000 / speed } },
    "test",
  );
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, turn: () => Promise.resolve() };
  const policy = pool("pool-1", { firstRung: "vacate" }).policy;
  const costs = { startS: 30 / speed, vacateS: 10 / speed, evictedS: 300 / speed };
  const rules = {
    termsOf: () => lendingTerms(policy, costs, settings),
    mayLend: () => true,
  };
  const forecast = new OwnerForecast({ settings, standby: rules, clock: clock as never, log });
  const random = seeded(7);
  const owner = Array.from({ length: 10 }, (): "idle" | "busy" => "idle");
  for (let n = 0; n < readings; n++) {
    clock.nowMs += 60_000 / speed;
    for (const [index, state] of owner.entries()) {
      const returns = index < restless ? 0.35 : 0.002;
      const isBusy = state === "busy" ? random() < 0.3 : random() < returns;
      // The last readings of all are idle, so that there is something to ask about.
      owner[index] = isBusy && n < readings - 2 ? "busy" : "idle";
      const reading = { utilPct: owner[index] === "busy" ? 80 : 0, memoryUsedMib: 100 };
      forecast.observe({ uuid: `GPU-${index}`, pool: "pool-1" }, owner[index], clock.nowMs, reading);
    }
    await forecast.settle();
  }
  return { forecast, clock, settings };
}

const none = { state: "none" } as const;
const running = { state: "running" } as const;

describe("what a controller makes of readings", () => {
  it("lends the device whose owner stays away, and waits where the owner is about to come", async () => {
    const { forecast } = await learned();
    expect(forecast.decide("GPU-9", none)).toBe("lend");
    expect(forecast.decide("GPU-9", running)).toBeNull();
    expect(forecast.decide("GPU-0", none)).toBeNull();
    expect(forecast.curve("GPU-9")!.survivalAt(300_000)).toBeGreaterThan(0.9);
    expect(forecast.curve("GPU-0")!.survivalAt(300_000)).toBeLessThan(0.4);
  });

  it("says nothing of a device that it does not know to be idle, nor when what it knew is old", async () => {
    const { forecast, clock, settings } = await learned({ readings: 20 });
    expect(forecast.knows("GPU-9")).toBe(true);
    forecast.observe({ uuid: "GPU-8", pool: "pool-1" }, "unknown", clock.nowMs + 1);
    forecast.observe({ uuid: "GPU-7", pool: "pool-1" }, "busy", clock.nowMs + 1);
    await forecast.settle();
    clock.nowMs += settings.telemetry.staleMs + 1;
    for (const uuid of ["GPU-9", "GPU-8", "GPU-7", "never seen"]) {
      expect(forecast.knows(uuid)).toBe(false);
      expect(forecast.decide(uuid, none)).toBeNull();
      expect(forecast.curve(uuid)).toBeNull();
      expect(forecast.alikeCurve(uuid)).toBeNull();
    }
  });

  it("has one curve for devices that are alike, the same until it is settled again", async () => {
    const { forecast } = await learned();
    const curves = ["GPU-6", "GPU-7", "GPU-8", "GPU-9"].map((uuid) => forecast.alikeCurve(uuid)!);
    expect(forecast.alikeCurve("GPU-9")).toBe(curves[3]);
    expect(new Set([...curves, forecast.alikeCurve("GPU-0")]).size).toBeLessThanOrEqual(5);
    // Taken where the owner of any of them is most likely to come.
    for (const [index, curve] of curves.entries())
      expect(curve.survivalAt(60_000)).toBeLessThanOrEqual(
        forecast.curve(`GPU-${index + 6}`)!.survivalAt(60_000) + 0.02,
      );
  });

  it("decides the same where everything is as many times as fast", async () => {
    const [real, fast] = [await learned(), await learned({ speed: 50 })];
    for (let index = 0; index < 10; index++) {
      const uuid = `GPU-${index}`;
      expect(fast.forecast.decide(uuid, none)).toBe(real.forecast.decide(uuid, none));
      expect(fast.forecast.curve(uuid)!.survivalAt(300_000 / 50)).toBeCloseTo(
        real.forecast.curve(uuid)!.survivalAt(300_000),
        6,
      );
    }
  });
});

describe("what guests cost", () => {
  it("is what is believed until guests show otherwise", () => {
    const believed = believedCosts(parseSettings({}, "test"));
    const meter = new CostsMeter(believed);
    expect(meter.costs).toEqual({ startS: 30, vacateS: 10, evictedS: 300 });
    for (let n = 0; n < 1_000; n++) {
      meter.saw("startS", 5);
      meter.saw("evictedS", 0);
    }
    expect(meter.costs.startS).toBeCloseTo(5, 0);
    expect(meter.costs.evictedS).toBeLessThan(10);
    expect(meter.costs.vacateS).toBe(10);
  });

  it("is held against what the owner allows: pools that pause lose little to a meeting", () => {
    const settings = parseSettings({}, "test");
    const costs = believedCosts(settings);
    const pauses = lendingTerms(pool("a", { meetingsPerGpuDayMax: 3 }).policy, costs, settings);
    expect(pauses).toMatchObject({
      met: "kill",
      lostS: 300,
      limit: { owner: "owner owner", perGpuDayMax: 3 },
    });
    expect(lendingTerms(pool("a", { firstRung: "pause" }).policy, costs, settings)).toMatchObject({
      met: "pause",
      resumeS: 5,
      lostS: 5,
      limit: null,
    });
  });

  it("reckons with silence as agents do: it takes a guest away as an owner would, but where owners call", () => {
    const settings = parseSettings({}, "test");
    const costs = believedCosts(settings);
    const termsOf = (returnSignal: "activity" | "call") =>
      lendingTerms(pool("a", { returnSignal }).policy, costs, settings);
    expect(termsOf("activity").lostIsMet).toBe(true);
    expect(termsOf("call").lostIsMet).toBe(false);
  });
});
