import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { RecordedSeries } from "./prometheus.ts";

/** The programs that are missing here. */
export function missingPrograms(): string[] {
  return ["prometheus", "promtool"].filter((name) => !runs(name));
}

function runs(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A Prometheus whose blocks hold the series, as `promtool` fills them in. */
export async function startRealPrometheus(
  series: readonly RecordedSeries[],
): Promise<AsyncDisposable & { readonly url: string }> {
  await using started = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "gleaner-prometheus-"));
  started.defer(() => rm(dir, { recursive: true, force: true }));
  const metrics = join(dir, "metrics.txt");
  await pipeline(openMetrics(series), createWriteStream(metrics));
  const config = join(dir, "prometheus.yml");
  await writeFile(config, "");
  const data = join(dir, "data");
  execFileSync("promtool", ["tsdb", "create-blocks-from", "openmetrics", metrics, data]);
  const child = spawn(
    "prometheus",
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      "--storage.tsdb.retention.time=100y",
      "--web.listen-address=127.0.0.1:0",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(child, "exit");
  started.defer(async () => {
    child.kill();
    await exited;
  });
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
  const stack = started.move();
  return { url: `http://${address}`, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function* openMetrics(series: readonly RecordedSeries[]): Generator<string> {
  for (const [name, family] of Map.groupBy(series, ({ labels }) => labels["__name__"]!)) {
    yield `# TYPE ${name} gauge\n`;
    for (const { labels, samples } of family) {
      const pairs = Object.entries(labels).filter(([label]) => label !== "__name__");
      const told = pairs.map(([label, value]) => `${label}="${value}"`).join();
      for (const [atMs, value] of samples) yield `${name}{${told}} ${value} ${atMs / 1_000}\n`;
    }
  }
  yield "# EOF\n";
}
