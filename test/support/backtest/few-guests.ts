import type { Guests } from "../../../src/backtest/guests/guests.ts";
import { DeviceTraceBuilder, type DeviceTrace } from "../../../src/backtest/trace/device-trace.ts";

export type Line = readonly [submitS: number, durationS: number, checkpointS?: number];

export function guestsOf(...lines: readonly Line[]): Guests {
  return {
    submitS: Float64Array.from(lines, ([submitS]) => submitS),
    durationS: Float64Array.from(lines, ([, durationS]) => durationS),
    checkpointS: Float64Array.from(lines, ([, , checkpointS = 300]) => checkpointS),
  };
}

/** A device a letter, a minute a character: `.` idle, `x` busy, ` ` no reading. */
export function traceOf(readings: Readonly<Record<string, string>>): DeviceTrace {
  const trace = new DeviceTraceBuilder();
  const minutes = Math.max(...Object.values(readings).map((text) => text.length));
  for (let minute = 0; minute < minutes; minute++)
    for (const [device, text] of Object.entries(readings)) {
      const reading = text[minute] ?? " ";
      if (reading !== " ") trace.add(60 * minute, device, "p", reading === "x" ? 90 : 0, 100);
    }
  return trace.build();
}
