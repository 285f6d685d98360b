import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OwnerState } from "../../src/core/device.ts";
import { DeviceLending, type LendingTerms } from "../../src/core/forecast/device-lending.ts";
import { MeetingPrice } from "../../src/core/forecast/meeting-price.ts";
import { MetByPrice } from "../../src/core/forecast/met-by-price.ts";
import { ReturnSurprise } from "../../src/core/forecast/return-surprise.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** A pool of devices of which so many come back in each minute, where each was expected with the chance `hazard`. */
function minutes(surprise: ReturnSurprise, returns: readonly number[], devices: number, hazard: number) {
  return returns.map((count, minute) => {
    for (let device = 0; device < devices; device++) surprise.took(device < count, hazard, minute * minuteMs);
    return surprise.isRush(minute * minuteMs);
  });
}

/** Each minute as many as are expected on average: 5 of 100. */
const asExpected = Array.from({ length: 300 }, () => 5);

describe("a rush of owners", () => {
  it("begins when far more come back than were expected, and is over soon after", () => {
    const told = minutes(new ReturnSurprise(), [...asExpected, 40, ...asExpected], 100, 0.05);
    expect(told.slice(0, 300)).not.toContain(true);
    expect(told[300]).toBe(true);
    expect(told.slice(330)).not.toContain(true);
  });

  it("is none where owners come as often as was expected, however often that is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), (count) => {
        const told = minutes(
          new ReturnSurprise(),
          Array.from({ length: 60 }, () => count),
          100,
          count / 100,
        );
        expect(told).not.toContain(true);
      }),
    );
  });

  it("is none where a device or two come back unexpectedly", () => {
    const told = minutes(new ReturnSurprise(), [0, 0, 2, 0, 1, 0], 40, 0.001);
    expect(told).not.toContain(true);
  });

  it("takes more where returns are used to come in bursts", () => {
    const bursts = asExpected.map((count, minute) => (minute % 10 === 0 ? 25 : count - 2));
    const used = minutes(new ReturnSurprise(), [...bursts, ...bursts, ...bursts], 100, 0.05);
    expect(used.indexOf(true)).toBeLessThan(60);
    expect(used.slice(-100)).not.toContain(true);
  });
});

const terms: LendingTerms = {
  met: "kill",
  startS: 30,
  endS: 10,
  evictedS: 300,
  resumeS: 2,
  lostS: 0,
  lostIsMet: false,
  pauseBudgetS: 600,
  plannedMetS: null,
  limit: null,
  keptFree: false,
};

/** Devices that are idle for an hour; then so many of the others are busy for a minute. `guest` is asked about the first. */
function afterQuiet(lending: DeviceLending, returns: number) {
  const devices = 30;
  for (let minute = 0; minute <= 61; minute++) {
    for (let device = 0; device < devices; device++) {
      const owner: OwnerState = minute === 61 && device > devices - 1 - returns ? "busy" : "idle";
      const utilPct = owner === "busy" ? 50 : 0;
      const reading = { device: `${device}`, pool: "a", atMs: minute * minuteMs, owner, utilPct };
      lending.observe({ ...reading, memoryUsedMib: 1_000 });
    }
    lending.settle(minute * minuteMs, () => true);
  }
  return (state: "none" | "running") => lending.decide("0", { state }, 61 * minuteMs);
}

/** Devices that are idle for two hours, of which the first falls silent at every other minute. */
function withFlickering(lending: DeviceLending) {
  for (let minute = 0; minute <= 120; minute++) {
    for (let device = minute % 2; device < 10; device++) {
      const reading = {
        device: `${device}`,
        pool: "a",
        atMs: minute * minuteMs,
        owner: "idle",
        utilPct: 0,
      } as const;
      lending.observe({ ...reading, memoryUsedMib: 1_000 });
    }
    lending.settle(minute * minuteMs, () => true);
  }
  return ["0", "1"].map((device) => lending.decide(device, { state: "running" }, 120 * minuteMs));
}

describe("a device that is often lost to sight", () => {
  const pause: LendingTerms = { ...terms, met: "pause", plannedMetS: 300 };

  it("is kept from guests where that counts as a meeting, and its neighbours are not", () => {
    const lending = new DeviceLending(90_000, () => ({ ...pause, lostIsMet: true }));
    expect(withFlickering(lending)).toEqual(["pause", null]);
  });

  it("may be lent where it does not", () => {
    expect(withFlickering(new DeviceLending(90_000, () => pause))).toEqual([null, null]);
  });
});

describe("what stops lending beside the forecast", () => {
  it("nothing is lent in a rush of owners, and guests that run stay until the rule says otherwise", () => {
    expect(afterQuiet(new DeviceLending(90_000, () => terms), 0)("none")).toBe("lend");
    const decide = afterQuiet(new DeviceLending(90_000, () => terms), 12);
    expect(decide("none")).toBeNull();
    expect(decide("running")).toBeNull();
  });

  it("where the calendar keeps devices free nothing is lent, and guests leave", () => {
    const decide = afterQuiet(new DeviceLending(90_000, () => ({ ...terms, keptFree: true })), 0);
    expect(decide("none")).toBeNull();
    expect(decide("running")).toBe("vacate");
  });
});

const sightings = fc.array(
  fc.record({
    hazard: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    intervalS: fc.constantFrom(15, 60, 300),
  }),
  { minLength: 1, maxLength: 50 },
);

describe("the meetings to be expected at a price", () => {
  it("are never more at a higher price, and no more than were allowed at the price for that", () => {
    const allowances = fc.double({ min: 0, max: 1_000, noNaN: true });
    const dearer = fc.double({ min: 1, max: 5, noNaN: true });
    fc.assert(
      fc.property(sightings, allowances, dearer, (seen, perGpuDay, factor) => {
        const met = new MetByPrice(24 * hourMs);
        met.watched(1, hourMs);
        for (const { hazard, intervalS } of seen) met.saw(hazard, intervalS);
        const priceS = met.priceFor(perGpuDay);
        expect(met.priceFor(perGpuDay * factor)).toBeLessThanOrEqual(priceS);
        const allowed = perGpuDay / 24;
        expect(met.expectedAt(priceS)).toBeLessThanOrEqual(allowed + 1e-6);
        expect(met.expectedAt(priceS * factor)).toBeLessThanOrEqual(met.expectedAt(priceS) + 1e-9);
      }),
    );
  });
});

describe("the price of a meeting", () => {
  it("is a number of seconds, whatever was seen and however long nothing was", () => {
    const steps = fc.record({
      seen: sightings,
      meetings: fc.nat({ max: 40 }),
      devices: fc.nat({ max: 40 }),
      elapsedMs: fc.oneof(fc.constant(minuteMs), fc.integer({ min: 1, max: 400 * hourMs })),
    });
    const numbers = fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 500, noNaN: true }));
    fc.assert(
      fc.property(numbers, fc.array(steps, { maxLength: 30 }), (max, history) => {
        const price = new MeetingPrice(max);
        for (const { seen, meetings, devices, elapsedMs } of history) {
          for (const { hazard, intervalS } of seen) price.saw(hazard, intervalS);
          price.took(meetings, devices, elapsedMs);
          expect(price.priceS).toSatisfy((s: number) => s >= 0 && s < 1e6);
        }
      }),
    );
  });
});
