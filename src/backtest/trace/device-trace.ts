import { Column } from "./column.ts";
import { Names } from "./names.ts";
import { readTraceRows, type TraceColumns } from "./read-rows.ts";

/** A trace of devices in columns: row r is a reading of one device, and the rows of one time stand together. */
export interface DeviceTrace {
  /** In the order of their first rows. */
  readonly devices: readonly string[];
  readonly pools: readonly string[];
  /** The times at which there are rows, rising, s. */
  readonly timesS: Float64Array;
  /** Moment m has the rows firstRow[m] … firstRow[m + 1] - 1. */
  readonly firstRow: Uint32Array;
  /** Of each row: indices into `devices` and `pools`, %, MiB; NaN where the reading is missing. */
  readonly device: Uint32Array;
  readonly pool: Uint32Array;
  readonly utilPct: Float64Array;
  readonly memoryUsedMib: Float64Array;
}

const columns: TraceColumns = {
  time: "time_s",
  repeats: false,
  names: ["device", "pool"],
  numbers: [
    { name: "gpu_util_pct", most: 100, empty: NaN },
    { name: "mem_used_mib", most: 1e9, empty: NaN },
  ],
};

export const deviceTraceHeader = [
  columns.time,
  ...columns.names,
  ...columns.numbers.map(({ name }) => name),
].join();

/** Takes readings in order of time and makes a trace of them. */
export class DeviceTraceBuilder {
  readonly #devices = new Names();
  readonly #pools = new Names();
  readonly #timesS = new Column(Float64Array);
  readonly #firstRow = new Column(Uint32Array);
  readonly #device = new Column(Uint32Array);
  readonly #pool = new Column(Uint32Array);
  readonly #utilPct = new Column(Float64Array);
  readonly #memoryUsedMib = new Column(Float64Array);
  #momentS = -Infinity;

  get rows(): number {
    return this.#device.length;
  }

  /** NaN for a reading that is missing. */
  add(timeS: number, device: string, pool: string, utilPct: number, memoryUsedMib: number): void {
    if (timeS > this.#momentS) {
      this.#timesS.push(timeS);
      this.#firstRow.push(this.rows);
      this.#momentS = timeS;
    }
    this.#device.push(this.#devices.index(device));
    this.#pool.push(this.#pools.index(pool));
    this.#utilPct.push(utilPct);
    this.#memoryUsedMib.push(memoryUsedMib);
  }

  build(): DeviceTrace {
    this.#firstRow.push(this.rows);
    return {
      devices: this.#devices.list,
      pools: this.#pools.list,
      timesS: this.#timesS.values(),
      firstRow: this.#firstRow.values(),
      device: this.#device.values(),
      pool: this.#pool.values(),
      utilPct: this.#utilPct.values(),
      memoryUsedMib: this.#memoryUsedMib.values(),
    };
  }
}

/** Reads the rows up to a time, s. Throws TRACE_INVALID, TRACE_TOO_LARGE, FILE_UNREADABLE, FILE_DAMAGED. */
export async function readDeviceTrace(path: string, untilS = Infinity): Promise<DeviceTrace> {
  const trace = new DeviceTraceBuilder();
  for await (const { timeS, names, numbers } of readTraceRows(path, columns, untilS))
    trace.add(timeS, names[0]!, names[1]!, numbers[0]!, numbers[1]!);
  return trace.build();
}
