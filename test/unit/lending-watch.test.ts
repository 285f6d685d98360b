import { describe, expect, it } from "vitest";
import { parseSettings } from "../../src/config/settings.ts";
import { LendingWatch } from "../../src/controller/lending-watch.ts";
import { pool } from "../support/snapshots.ts";

/** Nights from 20 to 6 o'clock; a hand-back takes a minute. */
function keptFreeAt(
  time: string,
  windows = [{ weekdays: [], startMinute: 1_200, endMinute: 360, timeZone: "UTC" }],
) {
  const settings = parseSettings({ guest: { noticeMs: 60_000 } }, "test");
  const { policy } = pool("pool-1", { windows });
  const clock = { wallMs: () => Date.parse(`2026-03-02T${time}Z`) };
  const watch = new LendingWatch({ settings, clock, signals: { policyOf: () => policy } } as never);
  return watch.termsOf("pool-1").keptFree;
}

describe("the calendar of a pool's owner", () => {
  it("keeps devices free outside its windows, and for the time of a hand-back before one closes", () => {
    expect(
      ["19:00:00", "21:00:00", "05:58:30", "05:59:30", "06:00:00"].map((time) => keptFreeAt(time)),
    ).toEqual([true, false, false, true, true]);
  });

  it("keeps none free where there are no windows", () => {
    expect(keptFreeAt("12:00:00", [])).toBe(false);
  });
});
