import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPrometheus } from "../../src/backtest/sources/prometheus.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { asking, recordedSinceMs, startPrometheus, utilOf } from "../support/backtest/prometheus.ts";
import { wordsFor } from "../support/backtest/recording.ts";
import { runCli } from "../support/cli.ts";

const hourMs = 3_600_000;
const values = ["0", "0", "50"];
const foreign = { gpu_id: "0", node_name: "a" };

/** What is noted of a history of so many hours that is read with a pool label. */
async function notesOf(url: string, poolLabel: string | null, hours = 1): Promise<string[]> {
  const notes: string[] = [];
  const untilMs = recordedSinceMs + hours * hourMs;
  const note = (line: string) => void notes.push(line);
  await readPrometheus({ ...asking, url, poolLabel, untilMs, note }, () => {});
  return notes;
}

describe("series that name no GPU", () => {
  it("end the command, which says by which labels they would and which there are", async () => {
    const series = [
      utilOf(foreign, values),
      utilOf({ ...foreign, cluster: "b" }, values, recordedSinceMs + hourMs),
    ];
    await using prometheus = await startPrometheus(series);
    const { code, stdout, stderr } = await runCli(["backtest", ...wordsFor(prometheus.url, 2)]);
    expect(stderr).toMatch(/^error PROMETHEUS_FAILED: /m);
    expect(stderr).toContain(
      ": has series since 2026-03-01T00:00:00.000Z, but none names a GPU by UUID, uuid, gpu_uuid, nor by gpu with one of Hostname, hostname, kubernetes_node, node, instance; labels seen: cluster, gpu_id, node_name\n",
    );
    expect(stderr).not.toContain("recorded nothing");
    expect(stderr).not.toContain("--pool-label");
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  });

  it("end nothing beside one that does", async () => {
    await using prometheus = await startPrometheus([
      utilOf(foreign, values),
      utilOf({ UUID: "GPU-1" }, values),
    ]);
    const { devices } = await readPrometheus({ ...asking, url: prometheus.url }, () => {});
    expect(devices).toEqual(["GPU-1"]);
  });

  it("have their labels named in a few words, however many and odd they are", async () => {
    const many = Array.from({ length: 1_000 }, (_, nth) => [
      `label_${nth}_${"x".repeat(1_000)}\u001b[2J`,
      "1",
    ]);
    const odd = Object.fromEntries([["a\n\u001b[31m", "1"], ...many]) as Record<string, string>;
    await using prometheus = await startPrometheus([utilOf(odd, values)]);
    const read = readPrometheus({ ...asking, url: prometheus.url }, () => {});
    const { message } = await read.then(
      () => ({ message: "" }),
      (thrown: Error) => thrown,
    );
    expect(message).toMatch(/; labels seen: a\?\?\[31m, label_0_x+…, .* and 977 more$/);
    expect(message.length).toBeLessThan(2_500);
  });
});

describe("a pool label", () => {
  it("that no series carries is noted, with those that are", async () => {
    await using prometheus = await startPrometheus([utilOf({ UUID: "GPU-1", Hostname: "a" }, values)]);
    const { code, stdout, stderr } = await runCli(["backtest", ...wordsFor(prometheus.url, 2), "--json"]);
    expect(stderr).toBe(
      "--pool-label team: no series since 2026-03-01T00:00:00.000Z carries it, and their GPUs are in the pool default; labels seen: Hostname, UUID\n",
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ shape: "devices" });
  });

  it("that is carried only by a series that names no GPU is noted", async () => {
    const series = [utilOf({ UUID: "GPU-1" }, values), utilOf({ team: "a" }, values)];
    await using prometheus = await startPrometheus(series);
    expect(await notesOf(prometheus.url, "team")).toHaveLength(1);
  });

  it("that one series carries, at any time, is not", async () => {
    const late = utilOf({ UUID: "GPU-2", team: "a" }, values, recordedSinceMs + hourMs + 30_000);
    await using prometheus = await startPrometheus([utilOf({ UUID: "GPU-1" }, values), late]);
    expect(await notesOf(prometheus.url, "team", 2)).toEqual([]);
    expect(await notesOf(prometheus.url, "team", 1)).toHaveLength(1);
  });

  it("that nobody named is not", async () => {
    await using prometheus = await startPrometheus([utilOf({ UUID: "GPU-1" }, values)]);
    expect(await notesOf(prometheus.url, null)).toEqual([]);
  });

  it("is noted of what a run fetches, where the history is kept", async () => {
    const series = [
      utilOf({ UUID: "GPU-1", team: "a" }, values),
      utilOf({ UUID: "GPU-1" }, values, recordedSinceMs + hourMs),
    ];
    await withDirectory(async (dir) => {
      let fails = true;
      await using prometheus = await startPrometheus(series, (response, { endMs }) => {
        const troubled = fails && endMs > recordedSinceMs + hourMs;
        if (troubled) response.writeHead(403).end("not now");
        return troubled;
      });
      const words = ["backtest", ...wordsFor(prometheus.url, 2), "--keep", join(dir, "kept.csv.gz")];
      expect((await runCli(words)).code).toBe(3);
      fails = false;
      const { code, stderr } = await runCli(words);
      expect(stderr).toContain("--pool-label team: no series since 2026-03-01T01:00:00.000Z carries it");
      expect(code).toBe(0);
    });
  });
});
