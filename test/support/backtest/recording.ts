import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceTrace } from "../../../src/backtest/trace/device-trace.ts";
import { runCli } from "../cli.ts";
import { withDirectory } from "./figures.ts";
import { recordedSinceMs, type RecordedSeries } from "./prometheus.ts";

/** As if dcgm-exporters had been scraped while the trace was lived. The trace's pools are the label `team`. */
export function recordingOf(trace: DeviceTrace): RecordedSeries[] {
  return trace.devices.flatMap((device, index) => {
    const rows = [...trace.timesS].flatMap((timeS, moment) => {
      for (let row = trace.firstRow[moment]!; row < trace.firstRow[moment + 1]!; row++)
        if (trace.device[row] === index) return [{ atMs: recordedSinceMs + 1_000 * timeS, row }];
      return [];
    });
    const pool = trace.pools[trace.pool[rows[0]!.row]!]!;
    const labels = { UUID: device, gpu: "0", Hostname: "host", modelName: "NVIDIA H100", team: pool };
    const series = (name: string, values: Float64Array, isThere: (row: number) => boolean) => ({
      labels: { ...labels, __name__: name },
      samples: rows
        .filter(({ row }) => isThere(row))
        .map(({ atMs, row }) => [atMs, String(values[row])] as const),
    });
    const hasUtil = (row: number) => !Number.isNaN(trace.utilPct[row]);
    const hasMemory = (row: number) => !Number.isNaN(trace.memoryUsedMib[row]);
    return [
      // A line without either reading was scraped all the same.
      series("DCGM_FI_DEV_GPU_UTIL", trace.utilPct, (row) => hasUtil(row) || !hasMemory(row)),
      series("DCGM_FI_DEV_FB_USED", trace.memoryUsedMib, hasMemory),
    ];
  });
}

/** By which a backtest asks for the recorded hours of a trace. */
export function wordsFor(url: string, hours: number): string[] {
  const time = (atMs: number) => new Date(atMs).toISOString();
  const until = time(recordedSinceMs + hours * 3_600_000);
  return ["--prometheus", url, "--since", time(recordedSinceMs), "--until", until, "--pool-label", "team"];
}

/** The bytes of the decisions' file. Throws what the command says where it fails. */
export async function decisionsOf(...words: readonly string[]): Promise<string> {
  return withDirectory(async (dir) => {
    const path = join(dir, "decisions.csv");
    const { code, stderr } = await runCli(["backtest", ...words, "--decisions", path]);
    if (code !== 0) throw new Error(stderr);
    return readFile(path, "utf8");
  });
}
