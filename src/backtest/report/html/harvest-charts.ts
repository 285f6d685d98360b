import type { TimeBuckets } from "../time-buckets.ts";
import type { ChartWithTable } from "./figure.ts";
import { lineChart, type Line } from "./line-chart.ts";
import { timeAxis } from "./time-axis.ts";

const hourS = 3_600;

interface Harvest {
  readonly policy: string;
  readonly netS: readonly number[];
}

/** Net as it came, beside what was idle, and as it grew. */
export function harvestCharts(
  buckets: TimeBuckets,
  idleS: readonly number[],
  all: readonly Harvest[],
): ChartWithTable[] {
  const { x, name } = timeAxis(buckets);
  const idle: Line = { name: "idle", tone: 6, dashed: true, values: buckets.perSecond(idleS) };
  return [
    lineChart({
      title: "Harvest over time",
      text: "GPUs' worth of net in each stretch of time. Below 0 guests cost more than they gained; a lease's costs count when they fall due.",
      names: { x: name, y: "net, GPUs" },
      x,
      lines: [
        ...all.map(({ policy, netS }, tone) => ({ name: policy, tone, values: buckets.perSecond(netS) })),
        idle,
      ],
    }),
    lineChart({
      title: "Harvest so far",
      text: "Net since the trace's beginning.",
      names: { x: name, y: "net, GPU-h" },
      x,
      lines: all.map(({ policy, netS }, tone) => ({ name: policy, tone, values: runningHours(netS) })),
    }),
  ];
}

function runningHours(seconds: readonly number[]): number[] {
  let total = 0;
  return seconds.map((of) => (total += of / hourS));
}
