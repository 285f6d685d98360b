import { describe, expect, it } from "vitest";
import { readPrometheus } from "../../src/backtest/sources/prometheus.ts";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { runCli } from "../support/cli.ts";
import { asking, recordedSinceMs, startPrometheus, utilOf } from "../support/backtest/prometheus.ts";
import { decisionsOf, recordingOf, wordsFor } from "../support/backtest/recording.ts";

const sample = new URL("../../examples/sample.devices.csv.gz", import.meta.url).pathname;

describe("a backtest on what Prometheus has recorded", () => {
  it("decides as on the file from which it was recorded, whatever the pieces in which it is asked", async () => {
    await using prometheus = await startPrometheus(
      recordingOf(await readDeviceTrace(sample)),
      (response, { rangeMs }) => {
        if (rangeMs <= 1_000_000) return false;
        response.writeHead(422).end("query processing would load too many samples");
        return true;
      },
    );
    // The sample's lines of one time are in another order.
    const decide = async (...words: string[]) =>
      (await decisionsOf(...words, "--policy", "age:300")).split("\n").toSorted();
    const file = await decide("--trace", sample);
    expect(file.length).toBeGreaterThan(100);
    expect(await decide(...wordsFor(prometheus.url, 5), "--query-preset", "dcgm")).toEqual(file);
  });

  it("leaves what was not scraped unknown", async () => {
    const gap = utilOf({ UUID: "GPU-1" }, ["0", "0"]);
    const samples = [...gap.samples, [recordedSinceMs + 1_800_000, "0"] as const];
    await using prometheus = await startPrometheus([{ ...gap, samples }]);
    const { timesS } = await readPrometheus({ ...asking, url: prometheus.url }, () => {});
    expect([...timesS]).toEqual([0, 30, 1_800]);
  });

  it("tells how much of it is there", async () => {
    await using prometheus = await startPrometheus([utilOf({ UUID: "GPU-1" }, ["0"])]);
    const parts: number[] = [];
    const untilMs = asking.sinceMs + 4 * 3_600_000;
    await readPrometheus({ ...asking, untilMs, url: prometheus.url }, (part) => parts.push(part));
    expect(parts).toEqual([0.25, 0.5, 0.75, 1]);
  });

  it("sends the URL's name and password as such, and shows them to nobody", async () => {
    await using prometheus = await startPrometheus([], (response) => {
      response.writeHead(401).end("who are you");
      return true;
    });
    const url = prometheus.url.replace("//", "//ann:p%40ss@");
    const { code, stderr } = await runCli(["backtest", ...wordsFor(url, 1)]);
    const basic = `Basic ${Buffer.from("ann:p@ss").toString("base64")}`;
    expect(prometheus.asked.map(({ authorization }) => authorization)).toEqual([basic]);
    expect(stderr).toContain(`error PROMETHEUS_FAILED: ${prometheus.url}, query`);
    expect(stderr).not.toMatch(/ann|p@ss|p%40ss/);
    expect(code).toBe(3);
  });

  it("sends the URL's query as it is, and shows it to nobody, though a proxy repeats it", async () => {
    await using prometheus = await startPrometheus([], (response) => {
      response.writeHead(404).end("<pre>Cannot POST /prom/api/v1/query?token=hidden&amp;org=hidden</pre>");
      return true;
    });
    const { code, stderr } = await runCli([
      "backtest",
      ...wordsFor(`${prometheus.url}?token=hidden&org=hidden`, 1),
    ]);
    expect(prometheus.asked.map(({ search }) => search)).toEqual(["?token=hidden&org=hidden"]);
    expect(stderr).toContain(`error PROMETHEUS_FAILED: ${prometheus.url}, query`);
    expect(stderr).toContain("answers 404: <pre>Cannot POST /prom/api/v1/query</pre>");
    expect(stderr).not.toMatch(/token|hidden/);
    expect(code).toBe(3);
  });

  it("names the presets that there are", async () => {
    const { code, stderr } = await runCli([
      "backtest",
      ...wordsFor("http://127.0.0.1:1", 1),
      "--query-preset",
      "nvml",
    ]);
    expect(stderr).toContain("Allowed choices are dcgm.");
    expect(code).toBe(2);
  });
});
