import type { WeekMinute } from "../core/policy-window.ts";

const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** One a time zone: making a formatter costs far more than using it. Bounded by the zones that the system knows. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** The weekday and minute that a clock on the wall shows there. Throws RangeError for a zone the system does not know. */
export function weekMinuteIn(timeZone: string, wallMs: number): WeekMinute {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      weekday: "short",
      hour: "numeric",
      minute: "numeric",
      hourCycle: "h23",
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(wallMs).map(({ type, value }) => [type, value]));
  return {
    weekday: weekdays.indexOf(parts["weekday"] ?? ""),
    minute: Number(parts["hour"]) * 60 + Number(parts["minute"]),
  };
}
