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
  names: ["device", "pool"],
  numbers: [
    { name: "gpu_util_pct", most: 100, empty: NaN },
    { name: "mem_used_mib", most: 1e9, empty: NaN },
  ],
};

/** Reads the rows up to a time, s. Throws TRACE_INVALID, TRACE_TOO_LARGE, FILE_UNREADABLE. */
export async function readDeviceTrace(path: string, untilS = Infinity): Promise<DeviceTrace> {
  const devices = new Names();
  const pools = new Names();
  const timesS = new Column(Float64Array);
  const firstRow = new Column(Uint32Array);
  const device = new Column(Uint32Array);
  const pool = new Column(Uint32Array);
  const utilPct = new Column(Float64Array);
  const memoryUsedMib = new Column(Float64Array);
  let momentS = -1;
  for await (const { timeS, names, numbers } of readTraceRows(path, columns, untilS)) {
    if (timeS > momentS) {
      timesS.push(timeS);
      firstRow.push(device.length);
      momentS = timeS;
    }
    device.push(devices.index(names[0]!));
    pool.push(pools.index(names[1]!));
    utilPct.push(numbers[0]!);
    memoryUsedMib.push(numbers[1]!);
  }
  firstRow.push(device.length);
  return {
    devices: devices.list,
    pools: pools.list,
    timesS: timesS.values(),
    firstRow: firstRow.values(),
    device: device.values(),
    pool: pool.values(),
    utilPct: utilPct.values(),
    memoryUsedMib: memoryUsedMib.values(),
  };
}
