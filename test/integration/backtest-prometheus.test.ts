import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPrometheus } from "../../src/backtest/sources/prometheus.ts";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { startPrometheus, type RecordedSeries } from "../support/backtest/prometheus.ts";
import { recordingOf } from "../support/backtest/recording.ts";
import { runCli } from "../support/cli.ts";

const sample = new URL("../../examples/sample.devices.csv.gz", import.meta.url).pathname;
const sinceMs = Date.parse("2026-03-01T00:00:00Z");

const asking = {
  timeoutMs: 10_000,
  clock: systemClock,
  sinceMs,
  untilMs: sinceMs + 3_600_000,
  poolLabel: null,
  onProgress: () => {},
};

function one(labels: Record<string, string>, ...values: readonly string[]): RecordedSeries {
  return {
    labels: { __name__: "DCGM_FI_DEV_GPU_UTIL", ...labels },
    samples: values.map((value, index) => [sinceMs + 30_000 * index, value] as const),
  };
}

async function read(series: readonly RecordedSeries[]) {
  await using prometheus = await startPrometheus(series);
  return await readPrometheus({ ...asking, url: prometheus.url });
}

describe("a backtest on what Prometheus has recorded", () => {
  it("decides as on the file from which it was recorded, whatever the pieces in which it is asked", async () => {
    await using prometheus = await startPrometheus(
      recordingOf(await readDeviceTrace(sample), sinceMs),
      (response, { rangeMs }) => {
        if (rangeMs <= 1_000_000) return false;
        response.writeHead(422).end("query processing would load too many samples");
        return true;
      },
    );
    await withDirectory(async (dir) => {
      const decide = async (...source: readonly string[]) => {
        const path = join(dir, "out.csv");
        const { code, stderr } = await runCli([
          "backtest",
          ...source,
          "--policy",
          "age:300",
          "--decisions",
          path,
        ]);
        expect(code, stderr).toBe(0);
        return (await readFile(path, "utf8")).split("\n").toSorted();
      };
      const file = await decide("--trace", sample);
      const until = new Date(sinceMs + 5 * 3_600_000).toISOString();
      const history = [
        "--prometheus",
        prometheus.url,
        "--since",
        new Date(sinceMs).toISOString(),
        "--until",
        until,
      ];
      expect(file.length).toBeGreaterThan(100);
      expect(await decide(...history, "--pool-label", "team")).toEqual(file);
    });
  });

  it("tells devices by UUID, MIG instance, or host and index; before version 2 too", async () => {
    const trace = await read([
      one({ UUID: "GPU-1", modelName: "NVIDIA A100-SXM4-80GB" }, "5"),
      one({ UUID: "GPU-2", GPU_I_ID: "3" }, "5"),
      one({ UUID: "GPU-2" }, "0"),
      one({ __name__: "dcgm_gpu_utilization", uuid: "GPU-3" }, "5"),
      one({ instance: "10.0.0.7:9400", gpu: "1" }, "5"),
      one({ pod: "x" }, "0"),
    ]);
    expect(trace.devices.toSorted()).toEqual(["10.0.0.7:9400/gpu1", "GPU-1", "GPU-2/gi-3", "GPU-3"]);
    expect(trace.pools.toSorted()).toEqual(["NVIDIA-A100-SXM4-80GB", "default"]);
  });

  it("takes the largest of several series of a GPU, and none where one of them is broken", async () => {
    const shared = (pod: string, ...values: string[]) => one({ UUID: "GPU-1", pod }, ...values);
    const { utilPct, memoryUsedMib } = await read([
      shared("a", "0", "0", "NaN", "-1"),
      shared("b", "7", "0", "0", "0"),
    ]);
    expect([...utilPct]).toEqual([7, 0, NaN, NaN]);
    expect([...memoryUsedMib]).toEqual([NaN, NaN, NaN, NaN]);
  });

  it("leaves what was not scraped unknown", async () => {
    const gap = one({ UUID: "GPU-1" }, "0", "0");
    const samples = [...gap.samples, [sinceMs + 1_800_000, "0"] as const];
    expect([...(await read([{ ...gap, samples }])).timesS]).toEqual([0, 30, 1_800]);
  });

  it("asks again where the server is in trouble or an answer breaks off", async () => {
    await using prometheus = await startPrometheus([one({ UUID: "GPU-1" }, "0")], (response, _, count) => {
      if (count === 1) response.writeHead(503).end("starting");
      else if (count === 2)
        response.writeHead(200, { "content-length": 1_000 }).write('{"status":', () => response.destroy());
      return count < 3;
    });
    const trace = await readPrometheus({ ...asking, url: prometheus.url });
    expect([trace.devices, prometheus.asked.length]).toEqual([["GPU-1"], 3]);
  });

  it.each([
    ["is too much even by the minute", 422, "too many samples", "answers 422: too many samples"],
    ["is forbidden", 403, "who are you", "answers 403: who are you"],
    ["stays in trouble", 503, "starting", "answers 503: starting"],
    [
      "is in part",
      200,
      JSON.stringify({
        status: "success",
        warnings: ["store b is away"],
        data: { resultType: "matrix", result: [] },
      }),
      "answers in part: store b is away",
    ],
    ["is no answer", 200, '{"status":"success"}', "does not answer as Prometheus does"],
    [
      "is empty",
      200,
      JSON.stringify({ status: "success", data: { resultType: "matrix", result: [] } }),
      "has recorded nothing since 2026-03-01T00:00:00.000Z",
    ],
  ])("ends with the query where the answer %s", async (_, status, body, problem) => {
    await using prometheus = await startPrometheus([], (response) => {
      response.writeHead(status).end(body);
      return true;
    });
    await expect(readPrometheus({ ...asking, url: prometheus.url })).rejects.toMatchObject({
      code: "PROMETHEUS_FAILED",
      message: expect.stringContaining(problem) as string,
    });
  });

  it("asks for less, and at last gives up, where there is no answer in time", async () => {
    await using prometheus = await startPrometheus([], () => true);
    const silent = readPrometheus({ ...asking, url: prometheus.url, timeoutMs: 20 });
    await expect(silent).rejects.toMatchObject({
      code: "PROMETHEUS_FAILED",
      message: expect.stringContaining("did not answer in time") as string,
    });
    expect(prometheus.asked.at(-1)!.rangeMs).toBeLessThanOrEqual(60_001);
  });
});
