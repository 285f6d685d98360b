import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Reserve, type PoolReading, type ReserveSettings } from "../../src/core/reserve/reserve.ts";
import { play, randomWalk } from "../support/reserve.ts";

const settings: ReserveSettings = { penaltyS: 300, vacateS: 10, limit: { counts: "waited", max: 0.1 } };

/** 64 GPUs, of which the owner uses `busy`. */
function reading(busy: number, more: Partial<PoolReading> = {}): PoolReading {
  return {
    pool: "a",
    gpusTotal: 64,
    gpusBusy: busy,
    gpusPending: 0,
    lent: 0,
    evicted: 0,
    taken: null,
    afterGap: false,
    ...more,
  };
}

/** A reserve that has seen a quiet pool for a day, in steps of five minutes; the next tick is at `timeS`. */
function quiet(limit: ReserveSettings["limit"] = settings.limit): { reserve: Reserve; timeS: number } {
  const reserve = new Reserve({ ...settings, limit });
  play({ ...settings, limit }, randomWalk(288, 300, 1), 0, reserve);
  return { reserve, timeS: 288 * 300 };
}

describe("Reserve at run time", () => {
  it("takes what a first tick finds lent as it is: a controller that starts anew calls nobody back", () => {
    const reserve = new Reserve(settings);
    expect(reserve.decide(0, [reading(10, { lent: 20 })])).toEqual([
      { pool: "a", lent: 20, reason: "step_unknown" },
    ]);
  });

  it("counts a pool's first tick as one after a gap, whatever is said", () => {
    const busy = [40, 12, 30, 8, 52, 52, 16];
    const answers = [true, false].map((afterGap) => {
      const reserve = new Reserve(settings);
      return busy.map((gpus, tick) => {
        const appears = tick < 3 ? [] : [reading(gpus, { pool: "b", afterGap: tick === 3 && afterGap })];
        return reserve.decide(tick * 300, [reading(gpus, { afterGap: tick === 0 && afterGap }), ...appears]);
      });
    });
    expect(answers[0]).toEqual(answers[1]);
  });

  it("learns nothing and lends nothing new at a tick that is not later than the last", () => {
    const stray = [0, -300, Number.NaN];
    const answers = stray.map((offsetS) => {
      const { reserve, timeS } = quiet();
      if (offsetS !== 0) {
        const [answer] = reserve.decide(timeS - 300 + offsetS, [reading(60, { lent: 3, evicted: 9 })]);
        expect(answer).toEqual({ pool: "a", lent: 3, reason: "out_of_order" });
      }
      return reserve.decide(timeS, [reading(20)]);
    });
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it.each([
    { gpusBusy: Number.NaN },
    { gpusTotal: Infinity },
    { gpusPending: -1 },
    { lent: Number.NaN },
    { evicted: -3 },
  ] satisfies Partial<PoolReading>[])(
    "lends nothing on a reading that is none, and takes it for a gap: %o",
    (bad) => {
      const answers = [true, false].map((read) => {
        const { reserve, timeS } = quiet();
        if (read) {
          const [answer] = reserve.decide(timeS, [reading(60, bad)]);
          expect(answer).toEqual({ pool: "a", lent: 0, reason: "unreadable" });
        } else reserve.decide(timeS, []);
        return reserve.decide(timeS + 300, [reading(20, { afterGap: !read })]);
      });
      expect(answers[0]).toEqual(answers[1]);
    },
  );

  it("follows pools that grow, shrink to nothing and come back", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 5, maxLength: 60 });
    fc.assert(
      fc.property(sizes, (totals) => {
        const reserve = new Reserve(settings);
        for (const [tick, gpusTotal] of totals.entries()) {
          const [answer] = reserve.decide(tick * 60, [reading(gpusTotal / 3, { gpusTotal })]);
          expect(answer!.lent).toBeGreaterThanOrEqual(0);
          expect(answer!.lent).toBeLessThanOrEqual(gpusTotal - gpusTotal / 3 + 1e-9);
        }
      }),
    );
  });

  it("forgets a pool: one of the same name is a new one", () => {
    const { reserve, timeS } = quiet(null);
    const other = quiet(null).reserve;
    reserve.forget("a");
    const [anew] = reserve.decide(timeS, [reading(20)]);
    const [strange] = other.decide(timeS, [reading(20, { pool: "b" })]);
    expect(anew).toEqual({ ...strange, pool: "a" });
  });

  it("keeps to another limit from the moment on that it is set", { timeout: 60_000 }, () => {
    const reserve = new Reserve(settings);
    const half = 40 * 288;
    const ticks = randomWalk(2 * half, 300, 5, 5);
    const before = play(settings, ticks.slice(0, half), 0, reserve);
    reserve.setLimit({ counts: "waited", max: 0.03 });
    const after = play(settings, ticks.slice(half), 0, reserve);
    expect(before.waited / 0.1).toBeGreaterThan(0.85);
    expect(before.waited / 0.1).toBeLessThan(1.15);
    expect(after.waited / 0.03).toBeGreaterThan(0.8);
    expect(after.waited / 0.03).toBeLessThan(1.2);
  });

  it("goes by the penalty alone once the limit is taken away, and by a limit that is set on other counts", () => {
    const { reserve, timeS } = quiet();
    reserve.setLimit(null);
    expect(reserve.decide(timeS, [reading(20)])[0]!.reason).toBe("penalty");
    reserve.setLimit({ counts: "met", max: 0.001 });
    expect(reserve.decide(timeS + 300, [reading(20)])[0]!.reason).toBe("owner_limit");
  });

  it("lends nothing new in a rush, calls nobody back for it, and goes on when it is over", () => {
    const { reserve, timeS } = quiet(null);
    const answers = [2, 62, 30, 30, 30, 30, 30, 30].map(
      (busy, tick) => reserve.decide(timeS + tick * 300, [reading(busy, { lent: tick === 0 ? 0 : 2 })])[0]!,
    );
    expect(answers[0]!.reason).toBe("penalty");
    expect(answers[2]).toEqual({ pool: "a", lent: 2, reason: "rush" });
    expect(answers.at(-1)!.reason).toBe("penalty");
    expect(answers.at(-1)!.lent).toBeGreaterThan(2);
  });

  it("lends none of what an owner announced, from the tick before on, and takes an announcement back", () => {
    const { reserve, timeS } = quiet(null);
    const lentAt = (tick: number) => reserve.decide(timeS + tick * 300, [reading(20)])[0]!;
    expect(lentAt(0)).toMatchObject({ lent: 44, reason: "penalty" });
    reserve.announce([
      { pool: "a", fromS: timeS + 3 * 300, toS: timeS + 5 * 300, gpus: 50 },
      { pool: "a", fromS: timeS + 7 * 300, toS: timeS + 9 * 300, gpus: null },
      { pool: "b", fromS: 0, toS: Infinity, gpus: null },
    ]);
    expect([1, 2, 3, 4, 5, 6, 7].map((tick) => lentAt(tick).lent)).toEqual([44, 14, 14, 14, 44, 0, 0]);
    expect(lentAt(8)).toMatchObject({ lent: 0, reason: "announced" });
    reserve.announce([]);
    expect(lentAt(8.5).lent).toBe(44);
  });
});
