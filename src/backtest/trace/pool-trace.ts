import { Column } from "./column.ts";
import { Names } from "./names.ts";
import { readTraceRows, type TraceColumns } from "./read-rows.ts";

/** A trace of pools in columns: row r is a count of one pool, and the rows of one time stand together. */
export interface PoolTrace {
  /** In the order of their first rows. */
  readonly pools: readonly string[];
  /** The times at which there are rows, rising, s. */
  readonly timesS: Float64Array;
  /** Moment m has the rows firstRow[m] … firstRow[m + 1] - 1. */
  readonly firstRow: Uint32Array;
  /** Of each row: index into `pools`; GPUs. */
  readonly pool: Uint32Array;
  readonly gpusTotal: Float64Array;
  readonly gpusBusy: Float64Array;
  readonly gpusPending: Float64Array;
}

const gpusMax = 1e7;

const columns: TraceColumns = {
  time: "time_s",
  repeats: false,
  names: ["pool"],
  numbers: [
    { name: "gpus_total", most: gpusMax, empty: null },
    { name: "gpus_busy", most: gpusMax, empty: null },
    { name: "gpus_pending", most: gpusMax, empty: 0, optional: true },
  ],
};

/** Reads the rows up to a time, s. Throws TRACE_INVALID, TRACE_TOO_LARGE, FILE_UNREADABLE, FILE_DAMAGED. */
export async function readPoolTrace(path: string, untilS = Infinity): Promise<PoolTrace> {
  const pools = new Names();
  const timesS = new Column(Float64Array);
  const firstRow = new Column(Uint32Array);
  const pool = new Column(Uint32Array);
  const gpusTotal = new Column(Float64Array);
  const gpusBusy = new Column(Float64Array);
  const gpusPending = new Column(Float64Array);
  let momentS = -1;
  for await (const { timeS, names, numbers } of readTraceRows(path, columns, untilS)) {
    if (timeS > momentS) {
      timesS.push(timeS);
      firstRow.push(pool.length);
      momentS = timeS;
    }
    pool.push(pools.index(names[0]!));
    gpusTotal.push(numbers[0]!);
    gpusBusy.push(numbers[1]!);
    gpusPending.push(numbers[2]!);
  }
  firstRow.push(pool.length);
  return {
    pools: pools.list,
    timesS: timesS.values(),
    firstRow: firstRow.values(),
    pool: pool.values(),
    gpusTotal: gpusTotal.values(),
    gpusBusy: gpusBusy.values(),
    gpusPending: gpusPending.values(),
  };
}
