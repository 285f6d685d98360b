import type { DeviceTrace } from "../../../src/backtest/trace/device-trace.ts";
import type { RecordedSeries } from "./prometheus.ts";

/** As if dcgm-exporters had been scraped while the trace was lived. */
export function recordingOf(trace: DeviceTrace, sinceMs: number): RecordedSeries[] {
  return trace.devices.flatMap((device, index) => {
    const rows = [...trace.timesS].flatMap((timeS, moment) => {
      for (let row = trace.firstRow[moment]!; row < trace.firstRow[moment + 1]!; row++)
        if (trace.device[row] === index) return [{ atMs: sinceMs + 1_000 * timeS, row }];
      return [];
    });
    const pool = trace.pools[trace.pool[rows[0]!.row]!]!;
    const labels = { UUID: device, gpu: "0", Hostname: "host", modelName: "NVIDIA H100", team: pool };
    const series = (name: string, values: Float64Array) => ({
      labels: { ...labels, __name__: name },
      samples: rows
        .filter(({ row }) => !Number.isNaN(values[row]))
        .map(({ atMs, row }) => [atMs, String(values[row])] as const),
    });
    return [
      series("DCGM_FI_DEV_GPU_UTIL", trace.utilPct),
      series("DCGM_FI_DEV_FB_USED", trace.memoryUsedMib),
    ];
  });
}
