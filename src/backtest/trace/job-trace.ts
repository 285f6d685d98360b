import { Column } from "./column.ts";
import { Names } from "./names.ts";
import { readTraceRows, type TraceColumns } from "./read-rows.ts";

/** A trace of owners' jobs in columns: row r is a job, in order of submission. */
export interface JobTrace {
  /** In the order of their first rows. */
  readonly pools: readonly string[];
  readonly submitS: Float64Array;
  readonly durationS: Float64Array;
  /** Whole, at least 1. */
  readonly gpus: Uint32Array;
  /** Index into `pools`. */
  readonly pool: Uint32Array;
}

const columns: TraceColumns = {
  time: "submit_s",
  names: ["pool"],
  repeats: true,
  numbers: [
    { name: "duration_s", most: 1e9, empty: null },
    { name: "gpus", most: 1e5, empty: null, whole: true },
  ],
};

/** Reads the jobs submitted up to a time, s. Throws TRACE_INVALID, TRACE_TOO_LARGE, FILE_UNREADABLE, FILE_DAMAGED. */
export async function readJobTrace(path: string, untilS = Infinity): Promise<JobTrace> {
  const pools = new Names();
  const submitS = new Column(Float64Array);
  const durationS = new Column(Float64Array);
  const gpus = new Column(Uint32Array);
  const pool = new Column(Uint32Array);
  for await (const { timeS, names, numbers } of readTraceRows(path, columns, untilS)) {
    submitS.push(timeS);
    durationS.push(numbers[0]!);
    gpus.push(numbers[1]!);
    pool.push(pools.index(names[0]!));
  }
  return {
    pools: pools.list,
    submitS: submitS.values(),
    durationS: durationS.values(),
    gpus: gpus.values(),
    pool: pool.values(),
  };
}
