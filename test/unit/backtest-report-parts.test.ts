import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SurvivalCurve } from "../../src/core/survival-curve.ts";
import type { DevicePolicy } from "../../src/backtest/policy.ts";
import { deviceMap } from "../../src/backtest/report/device-map.ts";
import { ForecastCheck } from "../../src/backtest/report/forecast-check.ts";
import { axis } from "../../src/backtest/report/html/axis.ts";
import { html } from "../../src/backtest/report/html/html.ts";
import { lineChart } from "../../src/backtest/report/html/line-chart.ts";
import { TimeBuckets } from "../../src/backtest/report/time-buckets.ts";
import { replayDevices } from "../../src/backtest/replay/device-replay.ts";
import { defaultDeviceRules } from "../../src/backtest/rules.ts";
import { DeviceTraceBuilder } from "../../src/backtest/trace/device-trace.ts";

const amount = fc.double({ min: -1e7, max: 1e7, noNaN: true });

describe("an axis", () => {
  it("covers the data with a few round ticks, each in its place", () => {
    fc.assert(
      fc.property(amount, fc.double({ min: 1e-3, max: 1e7, noNaN: true }), (least, span) => {
        const { ticks, at } = axis(least, least + span, 100, 700, 6);
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThanOrEqual(9);
        const slack = 1e-6 * (1 + Math.abs(least) + span);
        expect(ticks[0]!).toBeLessThanOrEqual(least + slack);
        expect(ticks.at(-1)!).toBeGreaterThanOrEqual(least + span - slack);
        expect(at(ticks[0]!)).toBeCloseTo(100, 6);
        expect(at(ticks.at(-1)!)).toBeCloseTo(700, 6);
      }),
    );
  });

  it("stands where there is no extent at all", () => {
    expect(axis(0, 0, 0, 10, 5).ticks.length).toBeGreaterThan(1);
  });
});

describe("buckets of time", () => {
  it("are few, and lose no second of a stretch", () => {
    const time = fc.double({ min: 0, max: 1e8, noNaN: true });
    fc.assert(
      fc.property(time, time, fc.integer({ min: 2, max: 300 }), (one, other, countMax) => {
        const [fromS, toS] = [Math.min(one, other), Math.max(one, other)];
        const buckets = new TimeBuckets(fromS, toS, countMax);
        expect(buckets.count).toBeLessThanOrEqual(countMax);
        const seconds = buckets.zeros();
        buckets.spread(fromS, toS, (bucket, part) => (seconds[bucket]! += part));
        expect(seconds.reduce((sum, part) => sum + part, 0)).toBeCloseTo(toS - fromS, 3);
        for (const part of seconds) expect(part).toBeLessThanOrEqual(buckets.widthS + 1e-6);
      }),
    );
  });
});

describe("a template", () => {
  it("lets no text become HTML", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const inside = html`<i title="${text}">${[text]}</i>`.text.slice('<i title="'.length, -"</i>".length);
        expect(inside.replace('">', "")).not.toMatch(/[<>"']/);
      }),
    );
  });
});

/** One device: its readings minute by minute, `.` idle, `x` busy, `?` missing. */
function traceOf(readings: string) {
  const trace = new DeviceTraceBuilder();
  for (const [minute, mark] of readings.split("").entries())
    trace.add(60 * minute, "d", "p", { ".": 0, x: 50 }[mark] ?? NaN, 100);
  return trace.build();
}

/** Says each time that the device stays idle with a chance that falls by a tenth a minute. */
function foreseeing(): DevicePolicy {
  const curve = { survivalAt: (ms: number) => 0.9 ** (ms / 60_000) } as SurvivalCurve;
  return { decide: () => [], curve: () => curve };
}

function checked(readings: string) {
  const check = new ForecastCheck(defaultDeviceRules.holdS);
  replayDevices(traceOf(readings), defaultDeviceRules, check.watch(foreseeing()), () => {});
  return check.finish();
}

describe("what was said against what came", () => {
  it("counts an owner who comes until the question is due, and no question twice", () => {
    const minute = checked("..x..x")!.reliability[0]!;
    // Asked at 0, 1, 3 and 4; owners come at 2 and 5.
    expect([minute.horizonS, minute.count, minute.came]).toEqual([60, 4, 0.5]);
    expect(minute.said).toBeCloseTo(0.1);
    expect(minute.brier).toBeCloseTo((2 * 0.1 ** 2 + 2 * 0.9 ** 2) / 4);
    expect(minute.bins.map(({ count }) => count).filter((count) => count > 0)).toEqual([4]);
    // One of five minutes alone is answered: it was asked at 0.
    expect(checked("..x..x")!.reliability[1]).toMatchObject({ horizonS: 300, count: 1, came: 1 });
  });

  it("answers nothing by what is lost from sight", () => {
    expect(checked(".?.?.")).toBeNull();
    expect(checked("....?....")!.reliability[1]!.count).toBe(0);
  });

  it("is nothing for a policy that has no forecast", () => {
    const check = new ForecastCheck(90);
    replayDevices(traceOf("..x.."), defaultDeviceRules, check.watch({ decide: () => [] }), () => {});
    expect(check.finish()).toBeNull();
  });

  it("estimates survival as Kaplan and Meier do, of those who are still in sight", () => {
    // Returns after 3 minutes; then each hour: one that is lost after 2, one that lasts.
    const readings = `...x${".".repeat(56)}...?${".".repeat(70)}`;
    const stratum = checked(readings)!.survival.find(({ count }) => count > 0)!;
    expect(stratum.count).toBeGreaterThan(2);
    expect(stratum.came[0]).toBe(1);
    expect(stratum.came[2]).toBe(1);
    expect(stratum.came[3]).toBeLessThan(1);
    expect(stratum.came.at(-1)).toBe(stratum.came[3]);
    expect(stratum.said[10]).toBeCloseTo(0.9 ** 10);
  });
});

describe("the map of devices", () => {
  it("shows at each time what lasted longest, and lent where a guest ran", () => {
    const trace = traceOf("....xxxx....");
    const { rows, buckets } = deviceMap(trace, defaultDeviceRules, [
      { timeS: 120, device: "d", action: "lend", reason: "" },
    ]);
    const at = (minute: number) => rows[0]!.cells[buckets.indexOf(60 * minute + 30)];
    expect([0, 2, 5, 9].map(at)).toEqual(["idle", "lent", "busy", "idle"]);
    expect(rows[0]!.seconds).toEqual({ idle: 120 + 180 + 90, lent: 120, busy: 240, unknown: 0 });
  });

  it("keeps within 200 lines", () => {
    const trace = new DeviceTraceBuilder();
    for (let index = 0; index < 450; index++) trace.add(0, `d${index}`, "p", 0, 0);
    const { rows } = deviceMap(trace.build(), defaultDeviceRules, []);
    expect([rows.length, rows[0]!.first, rows.at(-1)!.last]).toEqual([150, "d0", "d449"]);
  });
});

describe("a line", () => {
  it("is broken where there is no value, and shows a value between two gaps as a dot", () => {
    const { drawing } = lineChart({
      title: "t",
      text: "",
      names: { x: "x", y: "y" },
      x: [0, 1, 2, 3, 4],
      lines: [{ name: "l", tone: 0, values: [1, null, 2, null, 1] }],
    });
    const path = /class="curve tone0" d="([^"]+)"/.exec(drawing.text)![1]!;
    expect(path.match(/M[\d.]+ [\d.]+h0/g)).toHaveLength(3);
    expect(path).not.toContain("L");
  });
});
