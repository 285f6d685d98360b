import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { ForecastFigures } from "../../src/backtest/report/forecast-check.ts";
import { withDirectory } from "../support/backtest/figures.ts";
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
