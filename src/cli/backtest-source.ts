import { readPrometheus } from "../backtest/sources/prometheus.ts";
import { readDeviceTrace, type DeviceTrace } from "../backtest/trace/device-trace.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { systemClock } from "../runtime/clock.ts";
import type { TimeLeft } from "./time-left.ts";

/** Where a backtest's devices come from: one of the two is named. */
export interface SourceOptions {
  readonly trace?: string;
  readonly prometheus?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly poolLabel?: string;
  readonly queryTimeout: number;
  readonly untilS: number;
}

/** Throws COMMAND_INVALID for options that do not go together, and what the sources throw. */
export async function readDevices(options: SourceOptions, timeLeft: TimeLeft): Promise<DeviceTrace> {
  const { trace, prometheus, since, until, poolLabel = null, queryTimeout, untilS } = options;
  if (trace !== undefined) return readDeviceTrace(trace, untilS);
  if (prometheus === undefined || !/^https?:\/\//.test(prometheus) || !URL.canParse(prometheus))
    throw refused("--prometheus needs an http:// or https:// URL");
  if (since === undefined) throw refused("--prometheus needs --since");
  const sinceMs = since.getTime();
  // A sample at that time itself counts, as in a file.
  const untilMs = Math.min(until?.getTime() ?? Date.now(), sinceMs + untilS * 1_000 + 1);
  if (untilMs <= sinceMs) throw refused("--until must be later than --since");
  return readPrometheus({
    url: prometheus,
    timeoutMs: queryTimeout,
    clock: systemClock,
    sinceMs,
    untilMs,
    poolLabel,
    onProgress: (part) => timeLeft.show("reading", part),
  });
}

function refused(problem: string): GleanerError {
  return new GleanerError("COMMAND_INVALID", { problem, command: "backtest" });
}
