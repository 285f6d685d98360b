import { KeptHistory } from "../backtest/sources/kept-history.ts";
import { publicUrl } from "../backtest/sources/prometheus-api.ts";
import { keepPrometheus, readPrometheus } from "../backtest/sources/prometheus.ts";
import type { ReadHistory } from "../backtest/report/origin.ts";
import type { QueryPresetName } from "../backtest/sources/query-presets.ts";
import { readDeviceTrace, type DeviceTrace } from "../backtest/trace/device-trace.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { systemClock } from "../runtime/clock.ts";
import { parseInstant } from "./options.ts";
import type { TimeLeft } from "./time-left.ts";

/** Where a backtest's devices come from: one of the two is named. */
export interface SourceOptions {
  readonly trace?: string;
  readonly prometheus?: string;
  readonly queryPreset: QueryPresetName;
  readonly since?: AskedTime;
  readonly until?: AskedTime;
  readonly poolLabel?: string;
  readonly queryTimeout: number;
  readonly keep?: string;
  readonly untilS: number;
}

/** As it was written, and when that is as seen from now. */
interface AskedTime {
  readonly words: string;
  readonly atMs: number;
}

export function parseAskedTime(words: string): AskedTime {
  return { words, atMs: parseInstant(words).getTime() };
}

export interface ReadDevices {
  readonly trace: DeviceTrace;
  /** null: it was read from a file. */
  readonly history: ReadHistory | null;
}

/** Throws COMMAND_INVALID for options that do not go together, and what the sources throw. */
export async function readDevices(
  options: SourceOptions,
  timeLeft: TimeLeft,
  note: (line: string) => void,
): Promise<ReadDevices> {
  const {
    trace,
    prometheus,
    queryPreset,
    since,
    until,
    poolLabel = null,
    queryTimeout,
    keep,
    untilS,
  } = options;
  if (trace !== undefined && keep !== undefined) throw refused("--keep needs --prometheus");
  if (trace !== undefined) return { trace: await readDeviceTrace(trace, untilS), history: null };
  if (prometheus === undefined || !/^https?:\/\//.test(prometheus) || !URL.canParse(prometheus))
    throw refused("--prometheus needs an http:// or https:// URL");
  if (since === undefined) throw refused("--prometheus needs --since");
  // What is still to come has not been recorded, and would count as fetched.
  const window = { sinceMs: since.atMs, untilMs: Math.min(until?.atMs ?? Infinity, Date.now()) };
  if (window.untilMs <= window.sinceMs) throw refused("--until, or now, must be later than --since");
  const asking = {
    url: prometheus,
    timeoutMs: queryTimeout,
    clock: systemClock,
    preset: queryPreset,
    poolLabel,
    note,
  };
  const onFetched = (part: number, before: number) => timeLeft.show("fetching", part, before);
  if (keep === undefined) {
    const history = { ...upTo(window, untilS), kept: null };
    return { trace: await readPrometheus({ ...asking, ...history }, onFetched), history };
  }
  const asked = {
    url: publicUrl(prometheus),
    preset: queryPreset,
    poolLabel,
    since: since.words,
    until: until?.words ?? null,
  };
  await using kept = await KeptHistory.open(keep, asked, window);
  note(`${keep}: ${describe(kept)}`);
  await keepPrometheus(kept, asking, onFetched);
  const history = { ...upTo(kept, untilS), kept: keep };
  return { trace: await readDeviceTrace(keep, untilS), history };
}

/** A sample at that time itself counts, as in a file. */
function upTo({ sinceMs, untilMs }: Omit<ReadHistory, "kept">, untilS: number): Omit<ReadHistory, "kept"> {
  return { sinceMs, untilMs: Math.min(untilMs, Math.floor(sinceMs + untilS * 1_000) + 1) };
}

function describe({ sinceMs, untilMs, fetchedMs }: KeptHistory): string {
  const [since, until, fetched] = [sinceMs, untilMs, fetchedMs].map((ms) => new Date(ms).toISOString());
  const state =
    fetched === since ? "" : fetched === until ? ", all fetched already" : `, fetched up to ${fetched}`;
  return `from ${since} to ${until}${state}`;
}

function refused(problem: string): GleanerError {
  return new GleanerError("COMMAND_INVALID", { problem, command: "backtest" });
}
