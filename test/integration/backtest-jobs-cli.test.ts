import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withDirectory } from "../support/backtest/figures.ts";
import { runCli } from "../support/cli.ts";

/** Two pools for ten hours: small jobs now and then, and large ones that fill theirs. */
const jobsCsv = [
  "submit_s,duration_s,gpus,pool",
  ...Array.from(
    { length: 120 },
    (_, n) => `${300 * n},${n % 7 === 0 ? 1_200 : 200},${1 + (n % 4)},p${n % 2}`,
  ),
  "",
].join("\n");

function backtest(csv: string, ...words: readonly string[]) {
  return withDirectory(async (dir) => {
    const path = join(dir, "jobs.csv");
    await writeFile(path, csv);
    return runCli(["backtest", "--trace", path, "--shape", "jobs", ...words]);
  });
}

describe("gleaner backtest --shape jobs", () => {
  it("tells of each policy what owners wait, whichever GPUs they take", async () => {
    const { code, stdout } = await backtest(jobsCsv);
    expect(code).toBe(0);
    const rows = stdout.split("\n").map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(expect.arrayContaining(["owners take", "lent of idle", "excess wait s"]));
    expect(rows.slice(1, 9).map(([policy, takes]) => `${policy}: ${takes}`)).toEqual(
      ["learned", "lend-all", "age:900", "age:1800"].flatMap((policy) => [
        `${policy}: longest idle`,
        `${policy}: shortest idle`,
      ]),
    );
    expect(stdout).toMatch(
      /120 jobs on p0 \d+ GPUs at \d+ %, p1 \d+ GPUs at \d+ %; without lending they wait/,
    );
  });

  it("chooses the clusters for the load, and prints all figures as JSON", async () => {
    const { code, stdout } = await backtest(jobsCsv, "--load", "0.4", "--policy", "lend-all", "--json");
    expect(code).toBe(0);
    const { clusters, policies } = JSON.parse(stdout) as {
      clusters: { load: number }[];
      policies: { lentS: number; idleS: number; excess: { meanS: number } }[];
    };
    for (const { load } of clusters) expect(load).toBeLessThanOrEqual(0.4);
    for (const { lentS, idleS, excess } of policies) {
      expect(lentS / idleS).toBeGreaterThan(0.5);
      expect(excess.meanS).toBeGreaterThanOrEqual(0);
    }
  });

  it.each([
    [["--policy", "clairvoyant"], "clairvoyant does not play jobs"],
    [["--policy", "learned", "--decisions", "out.csv"], "--decisions is for devices and pools"],
    [["--recall", "pause"], "--recall pause is for traces of devices"],
  ])("refuses what does not go with jobs: %j", async (words, problem) => {
    const { code, stderr } = await backtest(jobsCsv, ...words);
    expect(code).toBe(2);
    expect(stderr).toContain(problem);
  });

  it("names the line of a file that is wrong", async () => {
    const { code, stderr } = await backtest("submit_s,duration_s,gpus,pool\n0,1,0,p\n");
    expect(code).toBe(2);
    expect(stderr).toMatch(/TRACE_INVALID.*line 2.*gpus/);
  });
});
