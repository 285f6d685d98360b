import { describe, expect, it } from "vitest";
import { ForecastRecord } from "../../src/controller/forecast-record.ts";
import { ForecastAudit } from "../../src/core/forecast/forecast-audit.ts";
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

/** What it is asked, it takes for a toss. */
const toss = { survivalAt: () => 0.5, expectedIdleMs: () => 0, hash: "" };

/** Two pools of a device each, watched from half past; their owners come back in every other minute, up to that hour. */
function watched(hours: number, speed = 1) {
  const clock = new SetClock();
  clock.atMs = hourMs / 2;
  const audit = new ForecastAudit(2 * minuteMs);
  const record = new ForecastRecord(audit, clock, speed);
  for (; clock.atMs < hours * hourMs; clock.atMs += minuteMs / speed)
    for (const pool of ["a", "b"]) {
      const atMs = Math.round(clock.atMs * speed);
      const state = Math.round(atMs / minuteMs) % 2 === 0 ? "idle" : "busy";
      audit.observe(pool, `GPU-${pool}`, state, atMs);
      if (state === "idle") audit.ask(`GPU-${pool}`, atMs, () => toss);
    }
  return { record, clock };
}

describe("the forecast's record in a report", () => {
  it("tells the fleet and each pool, and since when the leader counts", async () => {
    const { record } = watched(2);
    const { fromMs, total, pools } = await record.calibration(all);
    expect(fromMs).toBe(wallMs + hourMs / 2);
    expect(pools.map(({ pool, horizons }) => [pool, horizons[0]!.count])).toEqual([
      ["a", 45],
      ["b", 45],
    ]);
    expect(total[0]).toMatchObject({ horizonMs: minuteMs, count: 90, came: 1 });
    expect(record.lastDay()).toEqual(total);
  });

  it("tells of one pool what is that pool's", async () => {
    const { record } = watched(2);
    const { total, pools } = await record.calibration({ ...all, pool: "b" });
    expect(pools).toEqual([{ pool: "b", horizons: total }]);
    expect(total[0]!.count).toBe(45);
  });

  it("keeps to the hours that the range touches, by the wall clock", async () => {
    const { record, clock } = watched(5);
    const range = { ...all, fromMs: clock.wallMs() - 1.5 * hourMs, toMs: clock.wallMs() - hourMs };
    const { fromMs, total } = await record.calibration(range);
    expect(fromMs).toBe(wallMs + 3 * hourMs);
    expect(total[0]!.count).toBe(2 * 2 * 30);
  });

  it("counts owners' hours where they live faster than the clock, and tells them by the clock", async () => {
    const { record, clock } = watched(1, 10);
    const { fromMs, total } = await record.calibration({ ...all, fromMs: clock.wallMs() - 0.1 * hourMs });
    expect(fromMs).toBeGreaterThanOrEqual(clock.wallMs() - 0.2 * hourMs - 1);
    expect(total[0]!.count).toBeGreaterThan(2 * 25);
    expect(total[0]!.count).toBeLessThan(2 * 65);
  });
});
