import { once } from "node:events";
import { appendFile, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { KeptHistory } from "../../src/backtest/sources/kept-history.ts";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import {
  recordedSinceMs,
  startPrometheus,
  utilOf,
  type RecordedSeries,
} from "../support/backtest/prometheus.ts";
import { decisionsOf, wordsFor } from "../support/backtest/recording.ts";
import { runCli, startCli } from "../support/cli.ts";

const hourMs = 3_600_000;
const policy = ["--policy", "age:60"];

/** Two GPUs for some hours, idle and busy in turn. */
function recorded(hours: number, sinceMs?: number): RecordedSeries[] {
  return ["GPU-1", "GPU-2"].map((UUID, nth) => {
    const values = Array.from({ length: 120 * hours }, (_, tick) =>
      (tick + 7 * nth) % 30 < 20 ? "0" : "50",
    );
    return utilOf({ UUID, team: "a" }, values, sinceMs);
  });
}

async function recordOf(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(`${path}.json`, "utf8")) as Record<string, unknown>;
}

const refusedCode = 5;

describe("a history that is kept", () => {
  it("goes on from its last whole piece after kill -9, with the window of the first run", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "week.csv.gz");
      const third = Promise.withResolvers<void>();
      const sinceMs = Date.now() - 5 * hourMs;
      await using prometheus = await startPrometheus(recorded(5, sinceMs), (_, __, count) => {
        // Without an answer: the command waits for it when it is killed.
        if (count === 3) third.resolve();
        return count === 3;
      });
      const words = ["--prometheus", prometheus.url, "--since", "4h", "--keep", path, ...policy];
      const child = startCli(["backtest", ...words]);
      await third.promise;
      child.kill("SIGKILL");
      await once(child, "close");
      const { since, until, fetchedUntil } = await recordOf(path);
      const beganMs = Date.parse(since as string);
      expect(Date.parse(fetchedUntil as string)).toBe(beganMs + 2 * hourMs);
      // As a piece is left that was being written.
      const whole = await readFile(path);
      await appendFile(path, whole.subarray(0, whole.length / 3));

      const { code, stdout, stderr } = await runCli(["backtest", ...words]);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain(
        `from ${String(since)} to ${String(until)}, fetched up to ${String(fetchedUntil)}`,
      );
      const asked = prometheus.asked.slice(3).map(({ endMs }) => endMs);
      expect([asked[0], asked.at(-1)]).toEqual([beganMs + 3 * hourMs, Date.parse(until as string)]);
      expect(await recordOf(path)).toMatchObject({ since, until, fetchedUntil: until });

      const atOnce = join(dir, "at-once.csv.gz");
      const window = ["--since", since as string, "--until", until as string];
      const kept = await runCli(["backtest", ...words.slice(0, 2), ...window, "--keep", atOnce, ...policy]);
      expect(gunzipSync(await readFile(path)).equals(gunzipSync(await readFile(atOnce)))).toBe(true);
      expect(stdout).toBe(kept.stdout);
    });
  });

  it("goes on where Prometheus failed, asks for nothing once it is whole, and is a trace", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await using prometheus = await startPrometheus(recorded(4), (response, _, count) => {
        if (count === 3) response.writeHead(403).end("not now");
        return count === 3;
      });
      const history = wordsFor(prometheus.url, 4);
      const keep = ["--keep", path, ...policy];
      const failed = await runCli(["backtest", ...history, ...keep]);
      expect(failed).toMatchObject({ code: 3, stdout: "" });
      const decisions = await decisionsOf(...history, ...keep);
      expect(prometheus.asked.length).toBe(5);
      // Another name and password is the same history.
      history[1] = prometheus.url.replace("//", "//ann:secret@");
      expect(await decisionsOf(...history, ...keep)).toBe(decisions);
      expect(prometheus.asked.length).toBe(5);
      expect(await readFile(`${path}.json`, "utf8")).not.toMatch(/ann|secret/);
      expect(await decisionsOf("--trace", path, ...policy)).toBe(decisions);
      expect(await decisionsOf(...history, ...policy)).toBe(decisions);
      expect(decisions.split("\n").length).toBeGreaterThan(20);
      const until = (words: string[]) => decisionsOf(...words, ...policy, "--until-s", "5000");
      expect(await until([...history, "--keep", path])).toBe(await until(["--trace", path]));
    });
  });

  it("ends now, whatever later end was named", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await using prometheus = await startPrometheus(recorded(1, Date.now() - 2 * hourMs));
      const window = ["--since", "2h", "--until", "2999-01-01"];
      await decisionsOf("--prometheus", prometheus.url, ...window, "--keep", path, ...policy);
      const { until, fetchedUntil } = await recordOf(path);
      expect(Date.parse(until as string)).toBeLessThanOrEqual(Date.now());
      expect(fetchedUntil).toBe(until);
    });
  });

  it("is not mixed with another", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await using prometheus = await startPrometheus(recorded(2));
      const words = [...wordsFor(prometheus.url, 2), "--keep", path, ...policy];
      await decisionsOf(...words);
      const before = await readFile(path);
      const { code, stdout, stderr } = await runCli(["backtest", ...words, "--pool-label", "Hostname"]);
      expect(stderr).toContain(
        `error KEPT_HISTORY_REFUSED: ${path}: it was begun with --pool-label team, not --pool-label Hostname.`,
      );
      expect(stderr).toContain(
        "what to do: Give the same options as at first to go on, or name another file",
      );
      expect({ code, stdout }).toEqual({ code: refusedCode, stdout: "" });
      expect((await readFile(path)).equals(before)).toBe(true);
      expect(prometheus.asked.length).toBe(2);
    });
  });

  it("does not overwrite a file that it did not make", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await writeFile(path, "mine");
      const words = ["backtest", ...wordsFor("http://127.0.0.1:9", 1), "--keep", path];
      const { code, stderr } = await runCli(words);
      expect(stderr).toContain(
        `KEPT_HISTORY_REFUSED: ${path}: it is there already, and ${path}.json is not.`,
      );
      expect(code).toBe(refusedCode);
      expect(await readFile(path, "utf8")).toBe("mine");
    });
  });

  it("needs a Prometheus", async () => {
    const { code, stderr } = await runCli(["backtest", "--trace", "x.csv", "--keep", "y.csv.gz"]);
    expect(stderr).toContain("--keep needs --prometheus");
    expect(code).toBe(2);
  });
});

describe("the file of a kept history", () => {
  const asked = { url: "http://a", preset: "dcgm", poolLabel: null, since: "1h", until: null };
  const window = { sinceMs: recordedSinceMs, untilMs: recordedSinceMs + hourMs };
  const at = (timeS: number, ...utils: number[]) => ({
    atMs: recordedSinceMs + 1_000 * timeS,
    readings: utils.map((utilPct, nth) => ({
      device: `gpu-${nth}`,
      pool: "p",
      utilPct,
      memoryUsedMib: NaN,
    })),
  });

  const keepOne = async (path: string, untilMs: number) => {
    await using kept = await KeptHistory.open(path, asked, window);
    await kept.add([at(0, 0)], 1, untilMs);
  };

  it("is a trace after each piece, with all that was read, to the last digit", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await using kept = await KeptHistory.open(path, asked, window);
      await kept.add([at(0, 0, NaN), at(0.001, 7.000000000000001)], 3, recordedSinceMs + 1_000);
      await kept.add([], 0, recordedSinceMs + 2_000);
      expect([...(await readDeviceTrace(path)).timesS]).toEqual([0, 0.001]);
      await kept.add([at(3_599.999, 1e-7)], 1, window.untilMs);
      const { timesS, utilPct, devices } = await readDeviceTrace(path);
      expect([...timesS]).toEqual([0, 0.001, 3_599.999]);
      expect([...utilPct]).toEqual([0, NaN, 7.000000000000001, 1e-7]);
      expect(devices).toEqual(["gpu-0", "gpu-1"]);
    });
  });

  it("goes on from what its record counts, whatever was torn after it", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await keepOne(path, recordedSinceMs + 60_000);
      const whole = await readFile(path);
      for (const torn of [whole.subarray(0, 1), whole.subarray(0, 15), whole]) {
        await writeFile(path, Buffer.concat([whole, torn]));
        await using again = await KeptHistory.open(path, asked, { sinceMs: 0, untilMs: 1 });
        expect(await readFile(path)).toEqual(whole);
        expect([again.sinceMs, again.fetchedMs, again.untilMs, again.rows]).toEqual([
          recordedSinceMs,
          recordedSinceMs + 60_000,
          window.untilMs,
          1,
        ]);
      }
    });
  });

  it("begins anew where nothing was recorded yet", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      {
        await using first = await KeptHistory.open(path, asked, window);
        await first.add([], 0, window.untilMs);
      }
      await using again = await KeptHistory.open(path, asked, window);
      expect([again.fetchedMs, again.rows]).toEqual([recordedSinceMs, 0]);
      await again.add([at(0, 5)], 1, window.untilMs);
      expect((await readDeviceTrace(path)).devices).toEqual(["gpu-0"]);
    });
  });

  it.each([
    ["another server", { url: "http://b" }, "with --prometheus http://a, not --prometheus http://b"],
    ["another preset", { preset: "other" }, "with --query-preset dcgm, not --query-preset other"],
    ["another label", { poolLabel: "team" }, "with no --pool-label, not --pool-label team"],
    ["another begin", { since: "60m" }, "with --since 1h, not --since 60m"],
    ["another end", { until: "5m" }, "with no --until, not --until 5m"],
  ])("is refused to %s", async (_, change, problem) => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await keepOne(path, window.untilMs);
      await expect(KeptHistory.open(path, { ...asked, ...change }, window)).rejects.toMatchObject({
        code: "KEPT_HISTORY_REFUSED",
        message: expect.stringContaining(problem) as string,
      });
    });
  });

  it.each<[string, (path: string) => Promise<void>, string]>([
    ["lost bytes", (path) => truncate(path, 10), "it has 10 bytes; PATH.json counts "],
    ["is gone", (path) => rm(path), "it has 0 bytes; PATH.json counts "],
    ["has another's record", (path) => writeFile(`${path}.json`, "{}"), "PATH.json is no record of"],
    ["has a torn record", (path) => truncate(`${path}.json`, 20), "PATH.json is no record of"],
  ])("is refused where it %s", async (_, damage, problem) => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await keepOne(path, window.untilMs);
      await damage(path);
      await expect(KeptHistory.open(path, asked, window)).rejects.toMatchObject({
        code: "KEPT_HISTORY_REFUSED",
        message: expect.stringContaining(problem.replace("PATH", path)) as string,
      });
    });
  });

  it("is not written by two commands at once", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "kept.csv.gz");
      await using one = await KeptHistory.open(path, asked, window);
      await expect(KeptHistory.open(join(dir, ".", "kept.csv.gz"), asked, window)).rejects.toMatchObject({
        code: "KEPT_HISTORY_REFUSED",
        message: `${path}: another command writes it.`,
      });
      await one.add([at(0, 0)], 1, window.untilMs);
      expect([...(await readDeviceTrace(path)).timesS]).toEqual([0]);
    });
  });

  it("says where it cannot be written", async () => {
    await withDirectory(async (dir) => {
      const path = join(dir, "missing", "kept.csv.gz");
      await expect(KeptHistory.open(path, asked, window)).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    });
  });
});
