import { GleanerError } from "../../errors/gleaner-error.ts";
import { DeviceTraceBuilder, type DeviceTrace } from "../trace/device-trace.ts";
import type { KeptHistory } from "./kept-history.ts";
import {
  prometheusFailed,
  publicUrl,
  queryRaw,
  TooMuchAtOnce,
  type PrometheusOptions,
  type RawSeries,
} from "./prometheus-api.ts";
import { queryPresets, type QueryPresetName } from "./query-presets.ts";
import { momentsOf, poolless, type HistoryMoment } from "./readings.ts";
import { SeenLabels } from "./seen-labels.ts";

export interface HistoryOptions extends PrometheusOptions {
  readonly preset: QueryPresetName;
  /** The label that names a device's pool; null: by the GPU's model. */
  readonly poolLabel: string | null;
  /** Wall clock; the trace begins at `sinceMs` and does not hold `untilMs` itself. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** What is worth a word though it ends nothing: a pool label that no series carries. */
  readonly note: (line: string) => void;
}

/** Told after each piece: the part of the history that is there, and the part that was there before this run. */
export type OnFetched = (part: number, before: number) => void;

/** What was recorded since the piece before, up to a time. */
interface HistoryPiece {
  readonly untilMs: number;
  readonly moments: readonly HistoryMoment[];
  readonly rows: number;
}

const pieceMsMax = 3_600_000;
const pieceMsMin = 60_000;
const rowsMax = 20_000_000;

/**
 * What Prometheus has recorded of dcgm-exporters, as a trace of devices. Samples stand at the times at which they were scraped; what was not
 * scraped is not there, and so unknown. Throws PROMETHEUS_FAILED, also where nothing was recorded; TRACE_TOO_LARGE.
 */
export async function readPrometheus(options: HistoryOptions, onFetched: OnFetched): Promise<DeviceTrace> {
  const { sinceMs, untilMs } = options;
  const trace = new DeviceTraceBuilder();
  for await (const piece of fetchPieces(options, sinceMs, 0)) {
    for (const { atMs, readings } of piece.moments)
      for (const { device, pool, utilPct, memoryUsedMib } of readings)
        trace.add((atMs - sinceMs) / 1_000, device, pool, utilPct, memoryUsedMib);
    onFetched((piece.untilMs - sinceMs) / (untilMs - sinceMs), 0);
  }
  return trace.build();
}

/** Fetches what the file does not have yet. Throws as readPrometheus does, and what KeptHistory throws. */
export async function keepPrometheus(
  kept: KeptHistory,
  options: Omit<HistoryOptions, "sinceMs" | "untilMs">,
  onFetched: OnFetched,
): Promise<void> {
  const { sinceMs, untilMs, fetchedMs } = kept;
  const partUntil = (ms: number) => (ms - sinceMs) / (untilMs - sinceMs);
  for await (const piece of fetchPieces({ ...options, sinceMs, untilMs }, fetchedMs, kept.rows)) {
    await kept.add(piece.moments, piece.rows, piece.untilMs);
    onFetched(partUntil(piece.untilMs), partUntil(fetchedMs));
  }
}

/**
 * The history from a time on, piece by piece, in smaller ones where it is too much at once. `rowsBefore`: of the pieces before that time.
 * Throws as readPrometheus does.
 */
async function* fetchPieces(
  options: HistoryOptions,
  fromMs: number,
  rowsBefore: number,
): AsyncGenerator<HistoryPiece> {
  const { url, sinceMs, untilMs, poolLabel, note } = options;
  const preset = queryPresets[options.preset];
  const seen = new SeenLabels(preset, poolLabel);
  let rows = rowsBefore;
  let pieceMs = pieceMsMax;
  for (let atMs = fromMs; atMs < untilMs;) {
    const toMs = Math.min(atMs + pieceMs, untilMs);
    let series: RawSeries[];
    try {
      // Whether a range holds its begin depends on the release: ask for more and leave out what was not meant.
      series = await queryRaw(options, preset.selector, toMs, toMs - atMs + 1);
    } catch (thrown) {
      if (!(thrown instanceof TooMuchAtOnce)) throw thrown;
      if (pieceMs <= pieceMsMin)
        throw prometheusFailed(url, `${preset.selector}[${pieceMs}ms]`, toMs, thrown.message, thrown);
      pieceMs = Math.max(pieceMsMin, Math.floor(pieceMs / 2));
      continue;
    }
    seen.add(series);
    const moments = momentsOf(series, preset, poolLabel, atMs, toMs);
    const pieceRows = moments.reduce((sum, { readings }) => sum + readings.length, 0);
    rows += pieceRows;
    if (rows > rowsMax)
      throw new GleanerError("TRACE_TOO_LARGE", { path: publicUrl(url), what: `${rowsMax} samples` });
    yield { untilMs: toMs, moments, rows: pieceRows };
    atMs = toMs;
  }
  if (rows === 0)
    throw prometheusFailed(
      url,
      preset.selector,
      untilMs,
      seen.lackGpu
        ? `has series since ${isoOf(sinceMs)}, but none names a GPU by ${preset.gpuLabels}; labels seen: ${seen.list()}`
        : `has recorded nothing since ${isoOf(sinceMs)}`,
    );
  if (seen.lackPool)
    note(
      `--pool-label ${poolLabel}: no series since ${isoOf(fromMs)} carries it, and their GPUs are in the pool ${poolless}; labels seen: ${seen.list()}`,
    );
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
