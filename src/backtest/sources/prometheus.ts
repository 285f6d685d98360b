import { GleanerError } from "../../errors/gleaner-error.ts";
import { DeviceTraceBuilder, type DeviceTrace } from "../trace/device-trace.ts";
import { dcgmSelector, readDcgmSeries } from "./dcgm-series.ts";
import { queryRaw, TooMuchAtOnce, type PrometheusOptions, type RawSeries } from "./prometheus-api.ts";

export interface HistoryOptions extends PrometheusOptions {
  /** Wall clock; the trace begins at `sinceMs` and does not hold `untilMs` itself. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The label that names a device's pool; null: by the GPU's model. */
  readonly poolLabel: string | null;
  readonly onProgress: (part: number) => void;
}

const chunkMsMax = 3_600_000;
const chunkMsMin = 60_000;
const rowsMax = 20_000_000;

/** A reading that grows together out of its series; -1: not read. */
interface Reading {
  readonly pool: string;
  utilPct: number;
  memoryUsedMib: number;
}

/**
 * What Prometheus has recorded of dcgm-exporters, as a trace of devices. Samples stand at the times at which they were scraped; what was not
 * scraped is not there, and so unknown. Asked piece by piece, in smaller ones where it is too much at once.
 * Throws PROMETHEUS_FAILED, TRACE_TOO_LARGE; TRACE_INVALID where nothing was recorded.
 */
export async function readPrometheus(options: HistoryOptions): Promise<DeviceTrace> {
  const { url, sinceMs, untilMs, poolLabel, onProgress } = options;
  const trace = new DeviceTraceBuilder();
  let chunkMs = chunkMsMax;
  for (let fromMs = sinceMs; fromMs < untilMs;) {
    const toMs = Math.min(fromMs + chunkMs, untilMs);
    let series: RawSeries[];
    try {
      // Whether a range holds its begin depends on the release: ask for more and leave out what was not meant.
      series = await queryRaw(options, dcgmSelector, toMs, toMs - fromMs + 1);
    } catch (thrown) {
      if (!(thrown instanceof TooMuchAtOnce)) throw thrown;
      if (chunkMs <= chunkMsMin) throw failed(options, toMs, thrown);
      chunkMs = Math.max(chunkMsMin, Math.floor(chunkMs / 2));
      continue;
    }
    for (const [atMs, devices] of gather(series, fromMs, toMs, poolLabel))
      for (const [device, { pool, utilPct, memoryUsedMib }] of devices)
        trace.add((atMs - sinceMs) / 1_000, device, pool, orMissing(utilPct), orMissing(memoryUsedMib));
    if (trace.rows > rowsMax)
      throw new GleanerError("TRACE_TOO_LARGE", { path: url, what: `${rowsMax} samples` });
    fromMs = toMs;
    onProgress((fromMs - sinceMs) / (untilMs - sinceMs));
  }
  if (trace.rows > 0) return trace.build();
  throw new GleanerError("PROMETHEUS_FAILED", {
    url,
    query: dcgmSelector,
    time: new Date(untilMs).toISOString(),
    problem: `has recorded nothing since ${new Date(sinceMs).toISOString()}`,
  });
}

/** The readings from `fromMs` up to `toMs`, by time and device, in order of both. */
function gather(
  series: readonly RawSeries[],
  fromMs: number,
  toMs: number,
  poolLabel: string | null,
): [atMs: number, readings: [device: string, reading: Reading][]][] {
  const moments = new Map<number, Map<string, Reading>>();
  const known = series.map(({ labels, samples }) => ({ samples, of: readDcgmSeries(labels, poolLabel) }));
  // A GPU that is split into instances cannot be lent as a whole.
  const split = new Set(known.map(({ of }) => of?.instanceOf));
  for (const { samples, of } of known) {
    if (of === null || split.has(of.device)) continue;
    const { device, pool, signal, valueOf } = of;
    for (const [timeS, text] of samples) {
      const atMs = Math.round(timeS * 1_000);
      if (atMs < fromMs || atMs >= toMs) continue;
      const readings = moments.get(atMs) ?? new Map<string, Reading>();
      moments.set(atMs, readings);
      const reading = readings.get(device) ?? { pool, utilPct: -1, memoryUsedMib: -1 };
      readings.set(device, reading);
      // Pods that share a GPU are a series each: the largest counts, and one that is broken makes all unknown.
      reading[signal] = Math.max(reading[signal], valueOf(text));
    }
  }
  return [...moments]
    .toSorted(([one], [other]) => one - other)
    .map(([atMs, readings]) => [atMs, [...readings].toSorted(([one], [other]) => (one < other ? -1 : 1))]);
}

function orMissing(value: number): number {
  return value === -1 ? NaN : value;
}

function failed({ url }: HistoryOptions, endMs: number, thrown: Error): GleanerError {
  const time = new Date(endMs).toISOString();
  return new GleanerError(
    "PROMETHEUS_FAILED",
    { url, query: `${dcgmSelector}[${chunkMsMin}ms]`, time, problem: thrown.message },
    { cause: thrown },
  );
}
