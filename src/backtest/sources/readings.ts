import type { RawSeries } from "./prometheus-api.ts";
import type { DeviceSeries, QueryPreset } from "./query-preset.ts";

/** What was scraped at one time. */
export interface HistoryMoment {
  /** Wall clock. */
  readonly atMs: number;
  /** At most one of a device, by name. */
  readonly readings: readonly DeviceReading[];
}

/** NaN where a reading is missing. */
export interface DeviceReading {
  readonly device: string;
  readonly pool: string;
  readonly utilPct: number;
  readonly memoryUsedMib: number;
}

/** A reading that grows together out of its series. */
interface Gathered {
  readonly instanceOf: string | null;
  pool: string | null;
  readonly values: Record<DeviceSeries["signal"], number>;
}

const unread = -1;
const poolless = "default";

/** The readings from `fromMs` up to `toMs`, in order of time. They do not hang on the order of series and samples, nor on what one query held. */
export function momentsOf(
  series: readonly RawSeries[],
  { seriesOf }: QueryPreset,
  poolLabel: string | null,
  fromMs: number,
  toMs: number,
): HistoryMoment[] {
  const moments = new Map<number, Map<string, Gathered>>();
  for (const { labels, samples } of series) {
    const of = seriesOf(labels, poolLabel);
    if (of === null) continue;
    for (const [timeS, text] of samples) {
      const atMs = Math.round(timeS * 1_000);
      if (atMs < fromMs || atMs >= toMs) continue;
      let devices = moments.get(atMs);
      if (devices === undefined) moments.set(atMs, (devices = new Map()));
      gather(devices, of, of.valueOf(text));
    }
  }
  return [...moments]
    .toSorted(([one], [other]) => one - other)
    .map(([atMs, devices]) => ({ atMs, readings: readingsOf(devices) }));
}

function gather(
  devices: Map<string, Gathered>,
  { device, instanceOf, pool, signal }: DeviceSeries,
  value: number,
): void {
  let found = devices.get(device);
  if (found === undefined) {
    found = { instanceOf, pool, values: { utilPct: unread, enginePct: unread, memoryUsedMib: unread } };
    devices.set(device, found);
  }
  if (found.pool === null || (pool !== null && pool < found.pool)) found.pool = pool;
  found.values[signal] = larger(found.values[signal], value);
}

function readingsOf(devices: ReadonlyMap<string, Gathered>): DeviceReading[] {
  // A GPU that is split into instances cannot be lent as a whole.
  const split = new Set([...devices.values()].map(({ instanceOf }) => instanceOf));
  return [...devices]
    .filter(([device]) => !split.has(device))
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([device, { pool, values }]) => ({
      device,
      pool: pool ?? poolless,
      utilPct: utilOf(values),
      memoryUsedMib: values.memoryUsedMib === unread ? NaN : values.memoryUsedMib,
    }));
}

/** As production judges: one busy signal is enough, idle needs a utilisation that was read, and engines at 0 prove nothing (dcgm-exporter#662). */
function utilOf({ utilPct, enginePct }: Gathered["values"]): number {
  return utilPct === unread && !(enginePct > 0) ? NaN : larger(utilPct, enginePct);
}

/** Pods that share a GPU have a series each: what any of them uses is used, and beside a broken value a 0 is no 0. */
function larger(one: number, other: number): number {
  if (one > 0 || other > 0) return Math.max(one || 0, other || 0);
  return Math.max(one, other);
}
