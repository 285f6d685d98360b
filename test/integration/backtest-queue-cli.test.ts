import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { withDirectory } from "../support/backtest/figures.ts";
import { runCli } from "../support/cli.ts";

const sample = "examples/sample.devices.csv.gz";
const devicesCsv = gunzipSync(readFileSync(new URL(`../../${sample}`, import.meta.url))).toString("utf8");
const guestsCsv = [
  "submit_s,duration_s,checkpoint_s",
  ...Array.from({ length: 80 }, (_, n) => `${150 * n},${200 + 37 * (n % 20)},${n % 3 === 0 ? 120 : ""}`),
  "",
].join("\n");

function backtest(...words: readonly string[]) {
  return withDirectory(async (dir) => {
    await writeFile(join(dir, "guests.csv"), guestsCsv);
    await writeFile(join(dir, "broken.csv"), "submit_s,duration_s\n0,60\n10,sixty\n");
    return runCli(["backtest", "--trace", sample, ...words.map((word) => word.replace("DIR", dir))]);
  });
}

/** The lines of a file of time up to a time. */
function upTo(csv: string, untilS: number): string {
  const [head, ...lines] = csv.trim().split("\n");
  return `${[head, ...lines.filter((line) => Number(line.split(",")[0]) <= untilS)].join("\n")}\n`;
}

describe("gleaner backtest beside a queue that may be empty", () => {
  it("tells of each policy how its guests fared, ranked and not", async () => {
    const { code, stdout } = await backtest("--load", "0.5");
    expect(code).toBe(0);
    const names = ["learned, useful", "learned, random"].concat(
      ["lend-all", "age:900", "age:1800"].flatMap((policy) => [
        `${policy}, longest idle`,
        `${policy}, random`,
      ]),
    );
    const lines = stdout.split("\n");
    for (const at of [0, 10])
      expect(lines.slice(at + 1, at + 9).map((line) => line.split(/ {2,}/)[0])).toEqual(names);
    expect(lines[10]).toMatch(/guests done +completion min +p50 +p99 +wait min +p50 +p99 +evictions\/guest/);
    expect(stdout).toContain("guests' work is 0.5 of the idle time, log-normal with a median of 900 s");
  });

  it("takes the guests of a file, and prints all figures as JSON", async () => {
    const { code, stdout } = await backtest(
      "--guests",
      "DIR/guests.csv",
      "--take",
      "longest-idle",
      "--policy",
      "lend-all",
      "--json",
    );
    expect(code).toBe(0);
    const { queue, policies } = JSON.parse(stdout) as { queue: object; policies: object[] };
    expect(queue).toMatchObject({
      file: expect.stringMatching("guests.csv") as string,
      load: null,
      checkpointS: 300,
    });
    const spread = {
      meanS: expect.any(Number) as number,
      p50S: expect.any(Number) as number,
      p99S: expect.any(Number) as number,
    };
    expect(policies).toMatchObject([
      {
        policy: "lend-all",
        order: "longest_idle",
        violations: 0,
        guests: { completion: spread, wait: spread },
      },
    ]);
  });

  it("stays saturated unless it is told otherwise", async () => {
    const { stdout } = await backtest("--policy", "lend-all", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ queue: null, policies: [{ order: null, guests: null }] });
  });

  it("has the table of guests in the report too", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "report.html");
      const { code } = await backtest("--load", "0.5", "--policy", "lend-all", "--html", path);
      expect(code).toBe(0);
      const page = await readFile(path, "utf8");
      expect(page).toMatch(/<h2>Guests<\/h2>[^]*completion min/);
      expect(page).not.toMatch(/NaN|undefined|\[object/);
    });
  });

  it.each([
    ["learned", "file"],
    ["age:100", "file"],
    ["learned", "load"],
  ])(
    "decides the same lines up to a time from whole files and from their beginnings: %s, %s",
    async (policy, from) => {
      await withDirectory(async (dir) => {
        // The time of a sample: decisions end with the last.
        const times = devicesCsv.split("\n").map((line) => Number(line.split(",")[0]));
        const untilS = times[Math.floor(times.length * 0.6)]!;
        await writeFile(join(dir, "whole.csv"), devicesCsv);
        await writeFile(join(dir, "part.csv"), upTo(devicesCsv, untilS));
        await writeFile(join(dir, "whole.guests.csv"), guestsCsv);
        await writeFile(join(dir, "part.guests.csv"), upTo(guestsCsv, untilS));
        const decide = async (name: string, ...more: readonly string[]) => {
          const queue = from === "load" ? ["--load", "0.8"] : ["--guests", join(dir, `${name}.guests.csv`)];
          const out = join(dir, "out.csv");
          const words = ["backtest", "--trace", join(dir, `${name}.csv`), "--policy", policy, ...queue];
          const { code } = await runCli([...words, "--decisions", out, ...more]);
          expect(code).toBe(0);
          return readFile(out, "utf8");
        };
        const part = await decide("part");
        expect(part).toContain("vacate,work_done");
        expect(await decide("whole", "--until-s", String(untilS))).toBe(part);
        expect(upTo(await decide("whole"), untilS)).toBe(part);
      });
    },
  );

  it.each([
    [["--guests", "DIR/broken.csv"], /TRACE_INVALID.*broken\.csv, line 3: duration_s is "sixty"/],
    [["--guests", "DIR/none.csv"], /FILE_UNREADABLE/],
    [["--guests", "DIR/guests.csv", "--load", "0.5"], /--guests is for traces of devices, without --load/],
    [["--load", "0.5", "--policy", "clairvoyant"], /clairvoyant plans for a queue that is never empty/],
    [["--load", "0.5", "--shape", "pools"], /--load is for traces of devices and of jobs/],
    [["--take", "random"], /--take is for traces of devices with --guests or --load/],
    [["--load", "0.5", "--take", "best"], /useful, fit, longest-idle, random/],
  ])("refuses what does not go together, and what is broken: %j", async (words, problem) => {
    const { code, stderr } = await backtest(...words);
    expect(code).toBe(2);
    expect(stderr).toMatch(problem);
  });
});
