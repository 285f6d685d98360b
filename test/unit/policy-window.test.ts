import { describe, expect, it } from "vitest";
import type { LendWindow } from "../../src/core/policy.ts";
import { isLendWindowOpen } from "../../src/core/policy-window.ts";
import { weekMinuteIn } from "../../src/runtime/local-time.ts";

function window(part: Partial<LendWindow>): LendWindow {
  return { weekdays: [], startMinute: 0, endMinute: 1_440, timeZone: "UTC", ...part };
}

/** A Friday is 5. */
function open(part: Partial<LendWindow>, weekday: number, hour: number, minute = 0): boolean {
  return isLendWindowOpen([window(part)], () => ({ weekday, minute: hour * 60 + minute }));
}

describe("lend windows", () => {
  it("are always open where there is none", () => {
    expect(isLendWindowOpen([], () => ({ weekday: 0, minute: 0 }))).toBe(true);
  });

  it("include their first minute and exclude their last", () => {
    const office = { startMinute: 9 * 60, endMinute: 17 * 60 };
    expect([
      open(office, 1, 8, 59),
      open(office, 1, 9),
      open(office, 1, 16, 59),
      open(office, 1, 17),
    ]).toEqual([false, true, true, false]);
  });

  it("that reach past midnight belong to the day on which they start", () => {
    const fridayNight = { weekdays: [5], startMinute: 22 * 60, endMinute: 6 * 60 };
    expect([
      open(fridayNight, 5, 23),
      open(fridayNight, 6, 5),
      open(fridayNight, 5, 5),
      open(fridayNight, 6, 23),
    ]).toEqual([true, true, false, false]);
    const saturdayNight = { ...fridayNight, weekdays: [6] };
    expect([open(saturdayNight, 0, 3), open(saturdayNight, 6, 3)]).toEqual([true, false]);
  });

  it("that end where they start last 24 hours", () => {
    const fromNoon = { weekdays: [1], startMinute: 720, endMinute: 720 };
    expect([
      open(fromNoon, 1, 11),
      open(fromNoon, 1, 12),
      open(fromNoon, 2, 11),
      open(fromNoon, 2, 12),
    ]).toEqual([false, true, true, false]);
  });

  it("are open when any of them is, each by the clock of its own place", () => {
    const tuesdayMorning = Date.UTC(2026, 10, 24, 8, 30);
    const timeIn = (timeZone: string) => weekMinuteIn(timeZone, tuesdayMorning);
    const night = { startMinute: 0, endMinute: 6 * 60 };
    expect(isLendWindowOpen([window({ ...night, timeZone: "Europe/Berlin" })], timeIn)).toBe(false);
    expect(
      isLendWindowOpen([window(night), window({ ...night, timeZone: "America/New_York" })], timeIn),
    ).toBe(true);
  });
});

describe("weekMinuteIn", () => {
  it("knows midnight, half-hour zones, the other side of the date line and summer time", () => {
    const at = (timeZone: string, ...utc: [number, number, number, number]) =>
      weekMinuteIn(timeZone, Date.UTC(2026, ...utc));
    expect(at("UTC", 10, 22, 0, 0)).toEqual({ weekday: 0, minute: 0 });
    expect(at("Asia/Kolkata", 10, 22, 20, 0)).toEqual({ weekday: 1, minute: 90 });
    expect(at("Pacific/Kiritimati", 10, 21, 12, 0)).toEqual({ weekday: 0, minute: 120 });
    expect(at("Europe/Berlin", 6, 1, 12, 0).minute - at("Europe/Berlin", 0, 1, 12, 0).minute).toBe(60);
  });
});
