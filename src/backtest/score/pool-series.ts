import type { PoolRules } from "../rules.ts";
import type { PoolTrace } from "../trace/pool-trace.ts";

/** One pool over time, at its own ticks. */
export interface PoolSeries {
  readonly pool: string;
  readonly timesS: Float64Array;
  /** Of owners, GPUs; not always whole. */
  readonly demand: Float64Array;
  /** That can be lent. */
  readonly idle: Int32Array;
  /** What a GPU that is lent at a tick earns, s: the time up to the next; 0 where a gap follows. */
  readonly creditS: Float64Array;
  /** 1 where a gap or the trace's end follows. */
  readonly gapNext: Uint8Array;
}

export function demandOf(gpusTotal: number, gpusBusy: number, gpusPending: number): number {
  return Math.min(gpusTotal, gpusBusy + gpusPending);
}

export function idleOf(gpusTotal: number, demand: number): number {
  return Math.floor(gpusTotal - demand + 1e-9);
}

export function poolSeries(trace: PoolTrace, rules: PoolRules): PoolSeries[] {
  const rows: number[][] = trace.pools.map(() => []);
  const timeOf = new Float64Array(trace.pool.length);
  for (const [moment, timeS] of trace.timesS.entries())
    for (let row = trace.firstRow[moment]!; row < trace.firstRow[moment + 1]!; row++) {
      timeOf[row] = timeS;
      rows[trace.pool[row]!]!.push(row);
    }
  return trace.pools.map((pool, index) => seriesOf(trace, pool, rows[index]!, timeOf, rules));
}

function seriesOf(
  { gpusTotal, gpusBusy, gpusPending }: PoolTrace,
  pool: string,
  rows: readonly number[],
  timeOf: Float64Array,
  { gapSteps }: PoolRules,
): PoolSeries {
  const timesS = Float64Array.from(rows, (row) => timeOf[row]!);
  const demand = Float64Array.from(rows, (row) =>
    demandOf(gpusTotal[row]!, gpusBusy[row]!, gpusPending[row]!),
  );
  const idle = Int32Array.from(rows, (row, tick) => idleOf(gpusTotal[row]!, demand[tick]!));
  const stepsS = timesS.subarray(1).map((timeS, tick) => timeS - timesS[tick]!);
  const gapS = gapSteps * median(stepsS);
  const gapNext = Uint8Array.from(rows, (_, tick) =>
    tick < stepsS.length && !(stepsS[tick]! > gapS) ? 0 : 1,
  );
  const creditS = Float64Array.from(rows, (_, tick) => (gapNext[tick] === 1 ? 0 : stepsS[tick]!));
  return { pool, timesS, demand, idle, creditS, gapNext };
}

function median(values: Float64Array): number {
  const sorted = values.toSorted();
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[middle - 0.5]!;
}
