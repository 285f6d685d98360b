import { readCsvLines, traceInvalid } from "./csv-lines.ts";

/** One line of a trace of devices: a reading of one device. null is an empty field: missing telemetry. */
export interface TraceRow {
  readonly timeS: number;
  readonly device: string;
  readonly pool: string;
  readonly utilPct: number | null;
  readonly memoryUsedMib: number | null;
}

/** All lines of one time. */
export interface TraceTick {
  readonly timeS: number;
  readonly rows: readonly TraceRow[];
}

type BrokenLine = (line: number, problem: string) => void;

const traceColumns = ["time_s", "device", "pool", "gpu_util_pct", "mem_used_mib"];

/** Lines of one time, and so devices; more than one zone is meant for. */
export const traceDevicesMax = 100_000;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$/;
const numberPattern = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * Reads a trace of devices, gzip or plain, as a stream in bounded memory. A line that is broken goes to `broken` and is left
 * out: the device is missing at that time. Throws TRACE_INVALID for another header, for times that go back, for lines beyond 1 KiB and for
 * more devices than `traceDevicesMax` at one time; FILE_UNREADABLE or FILE_DAMAGED where the bytes cannot be had.
 */
export async function* readTrace(path: string, broken: BrokenLine): AsyncGenerator<TraceTick> {
  let timeS = -Infinity;
  let rows: TraceRow[] = [];
  let header = true;
  for await (const [fields, line] of readCsvLines(path)) {
    if (header) {
      header = false;
      if (fields.join() === traceColumns.join()) continue;
      throw traceInvalid(path, line, `the header is ${JSON.stringify(fields.join().slice(0, 100))}`);
    }
    const row = toRow(fields);
    if (typeof row === "string") {
      broken(line, row);
      continue;
    }
    if (row.timeS < timeS)
      throw traceInvalid(path, line, `time_s goes back from ${timeS} to ${row.timeS}; sort the file by time`);
    if (row.timeS > timeS) {
      if (rows.length > 0) yield { timeS, rows };
      rows = [];
      timeS = row.timeS;
    }
    if (rows.length >= traceDevicesMax)
      throw traceInvalid(path, line, `more than ${traceDevicesMax} lines of one time`);
    rows.push(row);
  }
  if (rows.length > 0) yield { timeS, rows };
}

/** A row, or what is wrong with it. */
function toRow(fields: readonly string[]): TraceRow | string {
  if (fields.length !== traceColumns.length)
    return `${fields.length} fields instead of ${traceColumns.length}`;
  const [time = "", device = "", pool = "", util = "", memory = ""] = fields;
  const timeS = toNumber(time, Number.MAX_SAFE_INTEGER);
  if (timeS === null || Number.isNaN(timeS)) return `time_s is ${JSON.stringify(time)}`;
  if (!namePattern.test(device)) return `device is ${JSON.stringify(device)}`;
  if (!namePattern.test(pool)) return `pool is ${JSON.stringify(pool)}`;
  const utilPct = toNumber(util, 100);
  if (Number.isNaN(utilPct)) return `gpu_util_pct is ${JSON.stringify(util)}`;
  const memoryUsedMib = toNumber(memory, 1e9);
  if (Number.isNaN(memoryUsedMib)) return `mem_used_mib is ${JSON.stringify(memory)}`;
  return { timeS, device, pool, utilPct, memoryUsedMib };
}

/** null for an empty field, NaN for one that is no number from 0 to `most`. */
function toNumber(text: string, most: number): number | null {
  if (text === "") return null;
  const value = numberPattern.test(text) ? Number(text) : NaN;
  return value >= 0 && value <= most ? value : NaN;
}
