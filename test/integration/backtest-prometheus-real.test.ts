import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSampleTrace, sampleSeed } from "../../scripts/make-sample-trace.ts";
import { readDeviceTrace, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { missingPrograms, startRealPrometheus } from "../support/backtest/real-prometheus.ts";
import { decisionsOf, recordingOf, wordsFor } from "../support/backtest/recording.ts";
import { realTrace } from "../support/backtest/referee.ts";

const missing = missingPrograms();
const real = realTrace("genai.devices.csv.gz");
const source = real === null ? "a generated trace" : "a real trace";
const hours = 24;

if (missing.length > 0)
  console.warn(`SKIPPED: no backtest on a real Prometheus: no ${missing.join(", no ")} here`);
else if (real === null)
  console.warn("SKIPPED: Prometheus is filled with a generated trace: there are no ../shared/traces");

describe.skipIf(missing.length > 0)(
  `a backtest on a real Prometheus that recorded 24 h of ${source}`,
  { timeout: 120_000 },
  () => {
    const held = new AsyncDisposableStack();
    let trace = "";
    let history: string[] = [];

    beforeAll(async () => {
      trace = real ?? (await generated(held));
      const prometheus = held.use(await startRealPrometheus(recordingOf(await readDeviceTrace(trace))));
      history = wordsFor(prometheus.url, hours);
    }, 120_000);
    afterAll(() => held.disposeAsync());

    // Trace times are whole ms, as Prometheus' are, and both say them as seconds since --since: nothing is lost between the two.
    it.each(["kill", "pause"])("decides as on the file, to the byte, with --recall %s", async (recall) => {
      const rules = ["--policy", "learned", "--recall", recall];
      const fromFile = await decisionsOf("--trace", trace, ...rules);
      expect(fromFile.split("\n").length).toBeGreaterThan(50);
      expect((await decisionsOf(...history, ...rules)) === fromFile).toBe(true);
    });

    it("keeps a trace that says the same as the file", async () => {
      await withDirectory(async (dir) => {
        const kept = join(dir, "kept.csv.gz");
        await decisionsOf(...history, "--keep", kept, "--policy", "lend-all");
        expect(bytesOf(await readDeviceTrace(kept))).toEqual(bytesOf(await readDeviceTrace(trace)));
      });
    });
  },
);

function bytesOf({ devices, pools, ...columns }: DeviceTrace) {
  const bytes = Object.values(columns).map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  return { devices, pools, bytes };
}

/** 24 h of the sample's fleet, by time and device, in which order a history comes. */
async function generated(held: AsyncDisposableStack): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "gleaner-backtest-"));
  held.defer(() => rm(dir, { recursive: true, force: true }));
  const ticks = Math.floor((hours * 3_600) / 57);
  const [head = "", ...lines] = makeSampleTrace(sampleSeed, ticks).trim().split("\n");
  const keyed = lines.map((line) => ({ line, timeS: parseInt(line), device: line.split(",")[1]! }));
  keyed.sort((one, other) => one.timeS - other.timeS || (one.device < other.device ? -1 : 1));
  const path = join(dir, "generated.csv");
  await writeFile(path, [head, ...keyed.map(({ line }) => line), ""].join("\n"));
  return path;
}
