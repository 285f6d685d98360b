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
  pool: string | null;
  readonly values: Record<DeviceSeries["signal"], number>;
}

interface DeviceSamples {
  readonly of: DeviceSeries;
  readonly samples: RawSeries["samples"];
}

const unread = -1;
/** The pool of devices that name none. */
export const poolless = "default";

/** The readings from `fromMs` up to `toMs`, in order of time. They do not hang on the order of series and samples, nor on what one query held. */
export function momentsOf(
  series: readonly RawSeries[],
  { seriesOf }: QueryPreset,
  poolLabel: string | null,
  fromMs: number,
  toMs: number,
): HistoryMoment[] {
  const known = series.flatMap(({ labels, samples }): DeviceSamples[] => {
    const of = seriesOf(labels, poolLabel);
    return of === null ? [] : [{ of, samples }];
  });
  const devices = Map.groupBy(known, ({ of }) => of.device);
  const moments = new Map<number, { readonly readings: DeviceReading[]; readonly split: Set<string> }>();
  // One device after the other, by name: the readings of each moment then stand in that order.
  for (const [device, itsSeries] of [...devices].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
    const { instanceOf } = itsSeries[0]!.of;
    for (const [sinceFromMs, gathered] of gather(itsSeries, fromMs, toMs)) {
      let moment = moments.get(sinceFromMs);
      if (moment === undefined) moments.set(sinceFromMs, (moment = { readings: [], split: new Set() }));
      moment.readings.push(readingOf(device, gathered));
      if (instanceOf !== null) moment.split.add(instanceOf);
    }
  }
  return [...moments]
    .toSorted(([one], [other]) => one - other)
    .map(([sinceFromMs, { readings, split }]) => ({
      atMs: fromMs + sinceFromMs,
      // A GPU that is split into instances cannot be lent as a whole.
      readings: split.size === 0 ? readings : readings.filter(({ device }) => !split.has(device)),
    }));
}

/** What the series of one device say, by time since `fromMs`. */
function gather(series: readonly DeviceSamples[], fromMs: number, toMs: number): Map<number, Gathered> {
  const moments = new Map<number, Gathered>();
  for (const { of, samples } of series)
    for (const [timeS, text] of samples) {
      const sinceFromMs = Math.round(timeS * 1_000) - fromMs;
      if (sinceFromMs < 0 || sinceFromMs >= toMs - fromMs) continue;
      let found = moments.get(sinceFromMs);
      if (found === undefined) {
        found = { pool: of.pool, values: { utilPct: unread, enginePct: unread, memoryUsedMib: unread } };
        moments.set(sinceFromMs, found);
      }
      if (found.pool === null || (of.pool !== null && of.pool < found.pool)) found.pool = of.pool;
      found.values[of.signal] = larger(found.values[of.signal], of.valueOf(text));
    }
  return moments;
}

function readingOf(device: string, { pool, values }: Gathered): DeviceReading {
  return {
    device,
    pool: pool ?? poolless,
    utilPct: utilOf(values),
    memoryUsedMib: values.memoryUsedMib === unread ? NaN : values.memoryUsedMib,
  };
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
