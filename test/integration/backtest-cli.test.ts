import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { withDirectory } from "../support/backtest/figures.ts";
import { runCli } from "../support/cli.ts";

const sample = "examples/sample.devices.csv.gz";
const devicesCsv = gunzipSync(readFileSync(new URL(`../../${sample}`, import.meta.url))).toString("utf8");

interface DevicesJson {
  readonly telemetry: { readonly devices: number; readonly stepS: number; readonly unknownShare: number };
  readonly policies: readonly { readonly meetings: number }[];
}

/** Two pools for five hours: one swings, the other is full now and then; nothing is known for a while. */
function poolsCsv(): string {
  const lines = ["time_s,pool,gpus_total,gpus_busy,gpus_pending"];
  for (let tick = 0; tick < 300; tick++) {
    if (tick > 120 && tick < 130) continue;
    lines.push(`${60 * tick},swing,32,${Math.round(16 + 12 * Math.sin(tick / 9))},0`);
    lines.push(`${60 * tick},burst,8,${tick % 17 < 4 ? 8 : 2},${tick % 17 === 3 ? 4 : 0}`);
  }
  return `${lines.join("\n")}\n`;
}

describe("gleaner backtest", () => {
  it("compares policies in a table, and says what nobody exceeds", async () => {
    const { code, stdout } = await runCli(["backtest", "--trace", sample]);
    expect(code).toBe(0);
    const rows = stdout.split("\n").map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(
      expect.arrayContaining(["policy", "net GPU-h", "of clairvoyant", "meetings/guest-h"]),
    );
    expect(rows.slice(1, 6).map(([policy]) => policy)).toEqual([
      "learned",
      "lend-all",
      "age:900",
      "age:1800",
      "clairvoyant",
    ]);
    expect(rows[5]![3]).toBe("100.0 %");
    expect(stdout).toMatch(/idle 46\.0 GPU-h; nobody nets more than [\d.]+/);
  });

  it("says where samples lie further apart than they hold: no owner is seen to come then", async () => {
    await withDirectory(async (dir) => {
      const [head, ...lines] = devicesCsv.trim().split("\n");
      const times = [...new Set(lines.map((line) => line.split(",")[0]))];
      const kept = new Set(times.filter((_, index) => index % 2 === 0));
      const thin = join(dir, "thin.csv");
      await writeFile(
        thin,
        `${[head, ...lines.filter((line) => kept.has(line.split(",")[0]))].join("\n")}\n`,
      );
      const run = async (...more: readonly string[]) => {
        const words = ["backtest", "--trace", thin, "--policy", "lend-all", "--json", ...more];
        const { code, stdout, stderr } = await runCli(words);
        expect(code).toBe(0);
        return { stderr, ...(JSON.parse(stdout) as DevicesJson) };
      };
      const short = await run();
      expect(short.stderr).toMatch(/readings lie 114 s apart, and one holds for 90 s.*--hold-s/);
      expect(short.policies[0]!.meetings).toBe(0);
      expect(short.telemetry).toMatchObject({ devices: 16, stepS: 114 });
      expect(short.telemetry.unknownShare).toBeGreaterThan(0.2);
      const long = await run("--hold-s", "180");
      expect(long.stderr).toBe("");
      expect(long.policies[0]!.meetings).toBeGreaterThan(100);
      expect(long.telemetry.unknownShare).toBeLessThan(0.05);
    });
  });

  it("says where nothing is known of the devices: that is not a fleet that is never idle", async () => {
    await withDirectory(async (dir) => {
      const blind = join(dir, "blind.csv");
      const lines = devicesCsv
        .trim()
        .split("\n")
        .map((line, index) => {
          const fields = line.split(",");
          return index === 0 ? line : [...fields.slice(0, 3), "", fields[4]].join();
        });
      await writeFile(blind, `${lines.join("\n")}\n`);
      const { code, stdout, stderr } = await runCli(["backtest", "--trace", blind, "--policy", "learned"]);
      expect(code).toBe(0);
      expect(stdout).toContain("unknown 100.0 % of their time");
      expect(stderr).toMatch(/100\.0 % of the devices' time nothing is known of their owners/);
    });
  });

  it("says what the figures are to be held against, and which numbers hold nothing", async () => {
    const limits = ["--meetings-per-gpu-day-max", "12", "--waited-share-max", "0.05"];
    const { stdout, stderr } = await runCli([
      "backtest",
      "--trace",
      sample,
      "--policy",
      "learned,age:900",
      ...limits,
    ]);
    expect(stdout).toContain("owner's number: at most 12 meetings/GPU-day");
    expect(stderr).toContain("--waited-share-max is for pools and jobs");
    expect(stderr).toContain("held by learned alone, not by age:900");
    const refused = await runCli(["backtest", "--trace", sample, "--waited-share-max", "0"]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("Use a number above 0, up to 1.");
  });

  it.each([
    { name: "devices", csv: devicesCsv, policies: ["age:100", "lend-all", "learned"] },
    { name: "pools", csv: poolsCsv(), policies: ["age:100", "nsigma:1", "lend-all", "learned"] },
  ])(
    "decides the same lines up to a time from the whole trace of $name and from its beginning",
    async ({ name, csv, policies }) => {
      await withDirectory(async (dir) => {
        const [head, ...lines] = csv.trim().split("\n");
        const times = lines.map((line) => Number(line.split(",")[0]));
        const untilS = times[Math.floor(times.length * 0.6)]!;
        await writeFile(join(dir, "whole.csv"), csv);
        const kept = lines.filter((_, index) => times[index]! <= untilS);
        await writeFile(join(dir, "part.csv"), `${[head, ...kept].join("\n")}\n`);
        for (const policy of policies) {
          const decide = async (trace: string, ...more: readonly string[]) => {
            const words = [
              "backtest",
              "--shape",
              name,
              "--trace",
              join(dir, trace),
              "--policy",
              policy,
              ...more,
            ];
            const { code } = await runCli([...words, "--decisions", join(dir, "out.csv")]);
            expect(code).toBe(0);
            return readFile(join(dir, "out.csv"), "utf8");
          };
          const part = await decide("part.csv");
          expect(part.trim().split("\n").length, policy).toBeGreaterThan(20);
          expect(await decide("whole.csv", "--until-s", String(untilS))).toBe(part);
          const [header, ...whole] = (await decide("whole.csv")).trim().split("\n");
          const before = whole.filter((line) => Number(line.split(",")[0]) <= untilS);
          expect(`${[header, ...before].join("\n")}\n`).toBe(part);
        }
      });
    },
  );

  it("prints all figures as JSON", async () => {
    const words = ["backtest", "--trace", sample, "--policy", "lend-all", "--recall", "pause", "--json"];
    const { code, stdout } = await runCli(words);
    expect(code).toBe(0);
    const { bounds, rules, policies } = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
    expect(rules).toMatchObject({ mode: "pause", penaltyS: 300, guestMib: 8_192 });
    expect(bounds).toEqual({
      idleS: expect.any(Number),
      novacateS: expect.any(Number),
      vacateS: expect.any(Number),
    });
    expect(policies).toMatchObject([{ policy: "lend-all", violations: 0, leases: expect.any(Number) }]);
  });
});
