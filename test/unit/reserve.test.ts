import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Reserve, type PoolReading, type ReserveSettings } from "../../src/core/reserve/reserve.ts";
import { play, randomWalk, type Tick } from "../support/reserve.ts";
import { seeded } from "../../src/backtest/seeded.ts";

const settings: ReserveSettings = { penaltyS: 300, vacateS: 10, limit: { counts: "waited", max: 0.1 } };

const tick = fc.record({
  total: fc.integer({ min: 0, max: 40 }),
  busy: fc.double({ min: 0, max: 50, noNaN: true }),
  pending: fc.integer({ min: 0, max: 8 }),
  stepS: fc.constantFrom(60, 60, 60, 60, 600),
});
const limits = fc.constantFrom(
  null,
  { counts: "waited", max: 0.05 } as const,
  { counts: "met", max: 0.05 } as const,
);

function ticksOf(drawn: readonly { total: number; busy: number; pending: number; stepS: number }[]): Tick[] {
  let timeS = 0;
  return drawn.map(({ stepS, ...tick }) => ({ ...tick, timeS: (timeS += stepS), afterGap: stepS > 60 }));
}

describe("Reserve", () => {
  it("never lends more than is idle, nor a part of a GPU, whatever a pool does", () => {
    fc.assert(
      fc.property(fc.array(tick, { maxLength: 60 }), limits, (drawn, limit) => {
        for (const { lent, idle } of play({ ...settings, limit }, ticksOf(drawn)).ticks) {
          expect(Number.isInteger(lent)).toBe(true);
          expect(lent).toBeGreaterThanOrEqual(0);
          expect(lent).toBeLessThanOrEqual(idle);
        }
      }),
    );
  });

  it("answers the same to the same, and up to a tick whatever comes after it", () => {
    fc.assert(
      fc.property(fc.array(tick, { minLength: 2, maxLength: 60 }), limits, fc.nat(), (drawn, limit, cut) => {
        const ticks = ticksOf(drawn);
        const length = cut % ticks.length;
        const whole = play({ ...settings, limit }, ticks).ticks;
        expect(play({ ...settings, limit }, ticks.slice(0, length)).ticks).toEqual(whole.slice(0, length));
      }),
    );
  });

  it("lends nothing before it knows how long a tick lasts", () => {
    const reading: PoolReading = {
      pool: "a",
      gpusTotal: 8,
      gpusBusy: 0,
      gpusPending: 0,
      lent: 0,
      evicted: 0,
      taken: null,
      afterGap: true,
    };
    const reserve = new Reserve({ ...settings, limit: null });
    expect(reserve.decide(0, [reading])).toEqual([{ pool: "a", lent: 0, reason: "step_unknown" }]);
    expect(reserve.decide(60, [{ ...reading, afterGap: false }])[0]!.lent).toBeGreaterThan(0);
  });

  it("learns nothing over a gap: an owner who is found at work after one has not returned", () => {
    const lentAfter = (afterGap: boolean) => {
      const ticks = Array.from({ length: 3_000 }, (_, index) => {
        const busy = index % 30 === 29 ? 8 : 2;
        return {
          timeS: index * 60,
          total: 8,
          busy,
          pending: 0,
          afterGap: index === 0 || (afterGap && busy === 8),
        };
      });
      return play({ ...settings, limit: null, penaltyS: 10_000 }, ticks.slice(0, -1)).ticks.at(-1)!.lent;
    };
    expect(lentAfter(true)).toBe(6);
    expect(lentAfter(false)).toBe(0);
  });

  it("learns the hour at which owners come, and how many", () => {
    // every day from 9 to 10 h: four GPUs, at a minute that none can foresee
    const random = seeded(1);
    const ticks = Array.from({ length: 21 * 1_440 }, (_, minute) => ({ minute, at: minute % 1_440 }));
    let from = 0;
    const days = ticks.map(({ minute, at }) => {
      if (at === 0) from = 540 + Math.floor(random() * 60);
      return {
        timeS: minute * 60,
        total: 8,
        busy: at >= from && at < from + 60 ? 6 : 2,
        pending: 0,
        afterGap: minute === 0,
      };
    });
    const { ticks: played } = play({ ...settings, limit: null, penaltyS: 10_000 }, days);
    const lentAt = (hour: number) => {
      const judged = played
        .slice(-7 * 1_440)
        .filter(({ timeS, idle }) => Math.floor(timeS / 3_600) % 24 === hour && idle === 6);
      return judged.reduce((sum, { lent }) => sum + lent, 0) / judged.length;
    };
    expect(lentAt(4)).toBe(6);
    expect(lentAt(9)).toBeLessThan(4);
    expect(lentAt(9)).toBeGreaterThanOrEqual(2);
  });

  it.each([
    { stepS: 1, days: 0.25, rate: 5, counts: "waited", max: 0.1 },
    { stepS: 15, days: 3, rate: 5, counts: "waited", max: 0.1 },
    { stepS: 300, days: 60, rate: 5, counts: "waited", max: 0.05 },
    { stepS: 300, days: 60, rate: 5, counts: "waited", max: 0.25 },
    { stepS: 3_600, days: 120, rate: 20, counts: "met", max: 0.05 },
    { stepS: 3_600, days: 365, rate: 20, counts: "met", max: 0.01 },
  ] as const)(
    "holds the owner's limit: $counts $max in steps of $stepS s",
    { timeout: 60_000 },
    ({ stepS, days, rate, counts, max }) => {
      const ticks = randomWalk((days * 86_400) / stepS, stepS, 7, rate);
      const result = play({ ...settings, penaltyS: 0, limit: { counts, max } }, ticks);
      expect(result[counts] / max).toBeGreaterThan(0.9);
      expect(result[counts] / max).toBeLessThan(1.1);
    },
  );

  it("holds it again after owners come five times as often", { timeout: 60_000 }, () => {
    const before = randomWalk(30 * 288, 300, 3);
    const after = randomWalk(60 * 288, 300, 4, 5);
    const ticks = [...before];
    for (const [index, { total, busy, pending }] of after.entries())
      ticks.push({ timeS: (before.length + index) * 300, total, busy, pending, afterGap: false });
    const max = 0.1;
    const result = play(
      { ...settings, penaltyS: 0, limit: { counts: "waited", max } },
      ticks,
      before.length + 10 * 288,
    );
    expect(result.waited / max).toBeGreaterThan(0.9);
    expect(result.waited / max).toBeLessThan(1.1);
  });
});
