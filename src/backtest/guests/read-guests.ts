import { Column } from "../trace/column.ts";
import { readTraceRows, type TraceColumns } from "../trace/read-rows.ts";
import type { Guests } from "./guests.ts";

const columns: TraceColumns = {
  time: "submit_s",
  names: [],
  repeats: true,
  numbers: [
    { name: "duration_s", most: 1e9, empty: null },
    { name: "checkpoint_s", most: 1e9, empty: NaN, whole: true, optional: true },
  ],
};

/** Reads the guests of a file; one that names no checkpoints has them each `checkpointS`. Throws TRACE_INVALID, TRACE_TOO_LARGE, FILE_UNREADABLE, FILE_DAMAGED. */
export async function readGuests(path: string, checkpointS: number): Promise<Guests> {
  const submitS = new Column(Float64Array);
  const durationS = new Column(Float64Array);
  const checkpoints = new Column(Float64Array);
  for await (const { timeS, numbers } of readTraceRows(path, columns, Infinity)) {
    submitS.push(timeS);
    durationS.push(numbers[0]!);
    checkpoints.push(Number.isNaN(numbers[1]) ? checkpointS : numbers[1]!);
  }
  return { submitS: submitS.values(), durationS: durationS.values(), checkpointS: checkpoints.values() };
}
