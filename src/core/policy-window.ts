import type { LendWindow } from "./policy.ts";

/** A moment of the week on a clock on the wall. */
export interface WeekMinute {
  /** 0 Sunday – 6 Saturday. */
  readonly weekday: number;
  /** 0–1439. */
  readonly minute: number;
}

/**
 * Whether lending is allowed now: in any of the windows, or always where there is none. A window that reaches past midnight
 * belongs to the weekday on which it starts; one that ends where it starts lasts 24 hours.
 */
export function isLendWindowOpen(
  windows: readonly LendWindow[],
  timeIn: (timeZone: string) => WeekMinute,
): boolean {
  return windows.length === 0 || windows.some((window) => isOpenAt(window, timeIn(window.timeZone)));
}

function isOpenAt(
  { weekdays, startMinute, endMinute }: LendWindow,
  { weekday, minute }: WeekMinute,
): boolean {
  const startsOn = (day: number) => weekdays.length === 0 || weekdays.includes(day);
  if (startMinute < endMinute) return startsOn(weekday) && minute >= startMinute && minute < endMinute;
  return (startsOn(weekday) && minute >= startMinute) || (startsOn((weekday + 6) % 7) && minute < endMinute);
}
