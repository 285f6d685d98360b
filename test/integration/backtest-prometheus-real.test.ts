import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { recordingOf } from "../support/backtest/recording.ts";
import { runCli } from "../support/cli.ts";

const sample = new URL("../../examples/sample.devices.csv.gz", import.meta.url).pathname;
const sinceMs = Date.parse("2026-03-01T00:00:00Z");
const until = "2026-03-01T05:00:00Z";
const missing = ["prometheus", "promtool"].filter((name) => !runs(name));
if (missing.length > 0)
  console.warn(`SKIPPED: no backtest on a real Prometheus: no ${missing.join(", no ")} here`);

describe.skipIf(missing.length > 0)("a backtest on a real Prometheus", { timeout: 120_000 }, () => {
  it("decides as on the file that was filled in", async () => {
    await withDirectory(async (dir) => {
      const metrics = join(dir, "metrics.txt");
      await writeFile(metrics, openMetrics(recordingOf(await readDeviceTrace(sample), sinceMs)));
      const data = join(dir, "data");
      execFileSync("promtool", ["tsdb", "create-blocks-from", "openmetrics", metrics, data]);
      await writeFile(join(dir, "prometheus.yml"), "");
      await using prometheus = await start(dir, data);
      const decide = async (...source: readonly string[]) => {
        const path = join(dir, "out.csv");
        const words = ["backtest", ...source, "--policy", "age:300", "--decisions", path];
        const { code, stderr } = await runCli(words);
        expect(code, stderr).toBe(0);
        return (await readFile(path, "utf8")).split("\n").toSorted();
      };
      const history = [
        "--prometheus",
        prometheus.url,
        "--since",
        new Date(sinceMs).toISOString(),
        "--until",
        until,
      ];
      const file = await decide("--trace", sample);
      expect(file.length).toBeGreaterThan(100);
      expect(await decide(...history, "--pool-label", "team")).toEqual(file);
    });
  });
});

function runs(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function openMetrics(series: ReturnType<typeof recordingOf>): string {
  const lines: string[] = [];
  for (const [name, family] of Map.groupBy(series, ({ labels }) => labels["__name__"]!)) {
    lines.push(`# TYPE ${name} gauge`);
    for (const { labels, samples } of family) {
      const pairs = Object.entries(labels).filter(([label]) => label !== "__name__");
      const told = pairs.map(([label, value]) => `${label}="${value}"`).join();
      for (const [atMs, value] of samples) lines.push(`${name}{${told}} ${value} ${atMs / 1_000}`);
    }
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

async function start(dir: string, data: string): Promise<AsyncDisposable & { readonly url: string }> {
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(dir, "prometheus.yml")}`,
      `--storage.tsdb.path=${data}`,
      "--storage.tsdb.retention.time=100y",
      "--web.listen-address=127.0.0.1:0",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(child, "exit");
  let said = "";
  const address = await new Promise<string>((resolve, reject) => {
    // Read to its end: a Prometheus that cannot write its log ends.
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
      const found = /address=(127\.0\.0\.1:[1-9]\d*)/.exec(said)?.[1];
      if (found !== undefined && said.includes("Server is ready")) resolve(found);
    });
    child.once("exit", () => reject(new Error(`prometheus did not start: ${said}`)));
  });
  return {
    url: `http://${address}`,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await exited;
    },
  };
}
