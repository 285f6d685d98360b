import { describe, expect, it } from "vitest";
import { defaults } from "../../src/config/defaults.ts";
import { ForecastWatch } from "../../src/controller/forecast-watch.ts";
import type { DeviceInfo } from "../../src/core/device.ts";
import { Forecaster } from "../../src/core/survival.ts";
import { systemClock, type Clock } from "../../src/runtime/clock.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** The wall clock when the controller's own stands at 0. */
const wallMs = 1_800_000_000_000;
const all = { fromMs: null, toMs: null, pricePerGpuHour: 0, pool: "" };

class SetClock implements Clock {
  atMs = 0;
  readonly after: Clock["after"] = (ms, act) => systemClock.after(ms, act);
  readonly turn = () => systemClock.turn();
  readonly sleep: Clock["sleep"] = (ms, signal) => systemClock.sleep(ms, signal);
  monotonicMs = () => this.atMs;
  wallMs = () => wallMs + this.atMs;
}

function deviceIn(pool: string): DeviceInfo {
  return { uuid: `GPU-${pool}`, host: "h", pool, model: "", index: 0, memoryTotalMib: null };
}

/** Two pools of a device each, watched from half past; their owners come back in every other minute, up to that hour. */
function watched(hours: number) {
  const clock = new SetClock();
  clock.atMs = hourMs / 2;
  const forecaster = new Forecaster({ ...defaults.forecast, staleMs: 2 * minuteMs });
  const watch = new ForecastWatch(forecaster, clock, 2 * minuteMs);
  for (; clock.atMs < hours * hourMs; clock.atMs += minuteMs)
    for (const pool of ["a", "b"]) {
      const state = (clock.atMs / minuteMs) % 2 === 0 ? "idle" : "busy";
      watch.take(deviceIn(pool), { state, sinceMs: clock.atMs }, clock.atMs);
    }
  return { watch, clock };
}

describe("the forecast's record in a report", () => {
  it("tells the fleet and each pool, and since when the leader counts", async () => {
    const { watch } = watched(2);
    const { fromMs, total, pools } = await watch.calibration(all);
    expect(fromMs).toBe(wallMs + hourMs / 2);
    expect(pools.map(({ pool, horizons }) => [pool, horizons[0]!.count])).toEqual([
      ["a", 45],
      ["b", 45],
    ]);
    expect(total[0]).toMatchObject({ horizonMs: minuteMs, count: 90, came: 1 });
    expect(watch.lastDay()).toEqual(total);
  });

  it("tells of one pool what is that pool's", async () => {
    const { watch } = watched(2);
    const { total, pools } = await watch.calibration({ ...all, pool: "b" });
    expect(pools).toEqual([{ pool: "b", horizons: total }]);
    expect(total[0]!.count).toBe(45);
  });

  it("keeps to the hours that the range touches, by the wall clock", async () => {
    const { watch, clock } = watched(5);
    const range = { ...all, fromMs: clock.wallMs() - 1.5 * hourMs, toMs: clock.wallMs() - hourMs };
    const { fromMs, total } = await watch.calibration(range);
    expect(fromMs).toBe(wallMs + 3 * hourMs);
    expect(total[0]!.count).toBe(2 * 2 * 30);
  });
});
