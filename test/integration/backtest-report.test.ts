import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { ForecastFigures } from "../../src/backtest/report/forecast-check.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { startPrometheus, utilOf } from "../support/backtest/prometheus.ts";
import { runCli } from "../support/cli.ts";

const sample = "examples/sample.devices.csv.gz";
const browser = findBrowser(["chromium", "chromium-browser", "google-chrome"]);
if (browser === null) console.warn("SKIPPED: no browser loads the report: no chromium here");

describe("gleaner backtest --html", () => {
  it("writes one file, and says in it how it was made", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "report.html");
      const { code, stdout } = await runCli(["backtest", "--trace", sample, "--html", path]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/net over time/);
      expect(stdout).toMatch(/within +asked +said +came/);
      const page = await readFile(path, "utf8");
      expect(page.length).toBeLessThan(500_000);
      expect(page).toContain(`gleaner backtest --trace ${sample} --html ${path}`);
      expect(page).toContain("Reliability of the forecast of learned");
    });
  });

  it("says of guests whence they come, and by which rules all was played", async () => {
    const rules = ["--seed", "7", "--meetings-per-gpu-day-max", "3.5", "--policy", "age:900"];
    const saturated = await reportOf("--trace", sample, ...rules);
    expect(rulesIn(saturated.page)).toMatchObject({
      penaltyS: "300",
      seed: "7",
      meetingsPerGpuDayMax: "3.5",
    });
    expect(saturated.page).not.toContain("<h2>Guests</h2>");
    const { stdout, page } = await reportOf("--trace", sample, "--load", "0.5", "--policy", "age:900");
    const line = stdout.split("\n").find((text) => text.startsWith("guests' work is 0.5 of"))!;
    expect(page).toContain(`<p>${line.replace("'", "&#39;")}</p>`);
    expect(rulesIn(page)).toMatchObject({ seed: "1" });
    expect(rulesIn(page)).not.toHaveProperty("meetingsPerGpuDayMax");
  });

  it("names the file that its guests come from", async () => {
    await withDirectory(async (dir) => {
      const guests = join(dir, "guests.csv");
      await writeFile(guests, "submit_s,duration_s\n0,60\n");
      const { page } = await reportOf("--trace", sample, "--guests", guests, "--policy", "lend-all");
      expect(page).toContain(`<p>guests of ${guests}; a checkpoint each 300 s where it names none</p>`);
    });
  });

  it("says of pools by which rules all was played", async () => {
    await withDirectory(async (dir) => {
      const pools = join(dir, "pools.csv");
      await writeFile(pools, "time_s,pool,gpus_total,gpus_busy\n0,a,8,2\n60,a,8,5\n120,a,8,1\n");
      const words = ["--trace", pools, "--shape", "pools", "--policy", "lend-all", "--seed", "7"];
      const { page } = await reportOf(...words, "--waited-share-max", "0.25");
      expect(rulesIn(page)).toMatchObject({ leadS: "5", seed: "7", waitedShareMax: "0.25" });
      expect(rulesIn((await reportOf(...words)).page)).not.toHaveProperty("waitedShareMax");
    });
  });

  it("gives the time that was read of a server, and promises no repetition", async () => {
    const sinceMs = Date.now() - 3 * 3_600_000;
    await using prometheus = await startPrometheus([
      utilOf({ UUID: "GPU-1" }, Array<string>(240).fill("0"), sinceMs),
    ]);
    const words = ["--prometheus", `${prometheus.url}?token=hidden`, "--since", "2h", "--policy", "age:60"];
    const time = String.raw`(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)`;
    const read = new RegExp(`Recorded from ${time} to ${time} \\(UTC\\)`);
    const same = "The same command, on the same trace";

    const { page } = await reportOf(...words);
    const [, since = "", until = ""] = read.exec(page)!;
    expect(Date.parse(until) - Date.parse(since)).toBeCloseTo(7_200_000, -3);
    expect(Date.parse(until)).toBe(prometheus.asked.at(-1)!.endMs);
    expect(page).toContain(`With --since ${since} --until ${until} the command reads the same time again`);
    expect(page).not.toContain(same);
    expect(page).not.toMatch(/token|hidden/);

    await withDirectory(async (dir) => {
      const kept = join(dir, "kept.csv.gz");
      const first = read.exec((await reportOf(...words, "--keep", kept)).page)!;
      const again = (await reportOf(...words, "--keep", kept)).page;
      expect(read.exec(again)![0]).toBe(first[0]);
      expect(again).toContain(`With --trace ${kept} instead of --prometheus`);
      expect(again).not.toContain(same);
      const part = read.exec((await reportOf(...words, "--keep", kept, "--until-s", "600")).page)!;
      expect(Date.parse(part[2]!) - Date.parse(part[1]!)).toBe(600_001);
      const { page: ofFile } = await reportOf("--trace", kept, "--policy", "age:60");
      expect(ofFile).toContain(same);
      expect(ofFile).not.toMatch(read);
    });
  });

  it("says so where the file cannot be written", async () => {
    const { code, stderr } = await runCli(["backtest", "--trace", sample, "--html", "/no/such/place.html"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/FILE_UNWRITABLE.*\/no\/such\/place\.html/);
  });

  it("is complete in --json too", async () => {
    const { stdout } = await runCli(["backtest", "--trace", sample, "--policy", "learned", "--json"]);
    const { overTime, policies } = JSON.parse(stdout) as Found;
    const [{ overTime: harvest, forecast }] = policies;
    expect(overTime.bucketS).toBeGreaterThan(0);
    expect(harvest.netS).toHaveLength(overTime.idleS.length);
    expect(harvest.grossS).toHaveLength(overTime.idleS.length);
    const horizonsS = forecast.reliability.map(({ horizonS }) => horizonS);
    expect(horizonsS).toEqual([60, 300, 900, 1_800, 3_600]);
    expect(forecast.reliability[0]!.bins).toHaveLength(10);
    expect(forecast.survival).toHaveLength(3);
  });

  it.skipIf(browser === null)("is loaded by a browser without an error", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "report.html");
      await runCli(["backtest", "--trace", sample, "--policy", "learned", "--html", path]);
      const words = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"];
      const { stdout, stderr } = await promisify(execFile)(browser!, [...words, `file://${path}`], {
        maxBuffer: 1e8,
        timeout: 60_000,
      });
      expect(stdout).toContain("<figure>");
      expect(stderr).not.toContain("CONSOLE");
    });
  });
});

async function reportOf(...words: readonly string[]): Promise<{ stdout: string; page: string }> {
  return withDirectory(async (dir) => {
    const path = join(dir, "report.html");
    const { code, stdout, stderr } = await runCli(["backtest", ...words, "--html", path]);
    if (code !== 0) throw new Error(stderr);
    return { stdout, page: await readFile(path, "utf8") };
  });
}

function rulesIn(page: string): Record<string, string> {
  const section = page.slice(page.indexOf("<h2>Rules</h2>"));
  const rows = section.matchAll(/<th scope="row">(.*?)<\/th>\s*<td>(.*?)<\/td>/g);
  return Object.fromEntries([...rows].map(([, name, value]) => [name!, value!]));
}

interface Found {
  readonly overTime: { readonly bucketS: number; readonly idleS: readonly number[] };
  readonly policies: readonly [
    {
      readonly overTime: { readonly netS: readonly number[]; readonly grossS: readonly number[] };
      readonly forecast: ForecastFigures;
    },
  ];
}

function findBrowser(names: readonly string[]): string | null {
  const paths = (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((dir) => names.map((name) => join(dir, name)));
  return paths.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
