import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sample } from "../../src/core/device.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { openReplay, type ReplayOptions } from "../../src/telemetry/replay.ts";

const header = "time_s,device,pool,gpu_util_pct,mem_used_mib";
const sample = join(import.meta.dirname, "../../examples/sample.devices.csv.gz");
const said: string[] = [];
const log = createLogger({ name: "test", level: "info", stream: { write: (line) => void said.push(line) } });
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "gleaner-replay-"));
});
afterAll(async () => rm(dir, { recursive: true }));

async function trace(...lines: string[]): Promise<string> {
  const path = join(dir, `${crypto.randomUUID()}.csv`);
  await writeFile(path, [header, ...lines, ""].join("\n"));
  return path;
}

function options(path: string, part: Partial<ReplayOptions> = {}): ReplayOptions {
  return { path, speed: 1_000, hostOf: () => "host-1", loop: false, clock: systemClock, log, ...part };
}

async function play(part: ReplayOptions, batchesMax = Infinity): Promise<(readonly Sample[])[]> {
  const stop = new AbortController();
  const batches: (readonly Sample[])[] = [];
  for await (const batch of (await openReplay(part)).samples(stop.signal)) {
    batches.push(batch);
    if (batches.length >= batchesMax) stop.abort();
  }
  return batches;
}

const refusal = (path: string, part: Partial<ReplayOptions> = {}) =>
  openReplay(options(path, part)).then(
    () => "accepted",
    ({ code, message }: { code: string; message: string }) => `${code} ${message.replace(path, "PATH")}`,
  );

describe("a replayed trace", () => {
  it("gives the samples of one time as one batch, at the speed asked for", async () => {
    const path = await trace("0,a,p,0.0,100", "0,b,p,3,200", "57,a,p,12.5,100", "57,b,p,0,200");
    const startMs = performance.now();
    const [first, second, ...rest] = await play(options(path, { memoryTotalMib: 1_000 }));
    expect(rest).toEqual([]);
    expect(first!.map(({ device, utilPct }) => [device, utilPct])).toEqual([
      ["a", 0],
      ["b", 3],
    ]);
    expect(first![0]).toMatchObject({
      attribution: "owner",
      memoryUsedMib: 100,
      memoryFreeMib: 900,
      engineActiveRatio: null,
    });
    expect(second![0]!.atMs - first![0]!.atMs).toBeCloseTo(57, 6);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(57);
  });

  it("I6: leaves empty fields missing and absent lines absent, and never invents a 0", async () => {
    const path = await trace("0,a,p,,100", "0,b,p,0,", "57,b,p,0,5");
    const [first, second] = await play(options(path));
    expect(
      first!.map(({ utilPct, memoryUsedMib, memoryFreeMib }) => [utilPct, memoryUsedMib, memoryFreeMib]),
    ).toEqual([
      [null, 100, 49_052],
      [0, null, null],
    ]);
    expect(second!.map(({ device }) => device)).toEqual(["b"]);
  });

  it("reads gzip as well as plain text, whatever the file's name", async () => {
    const path = join(dir, "packed.csv");
    await writeFile(path, gzipSync(`${header}\n0,a,p,1,2\n`));
    expect(await play(options(path))).toHaveLength(1);
  });

  it("is shared by agents: each plays its own devices, and they keep step from a common moment", async () => {
    const startAtWallMs = Date.now() + 500;
    const shared = { startAtWallMs, speed: 5_700, devices: 8 };
    const [even, odd] = await Promise.all(
      [0, 1].map(async (host) =>
        play(options(sample, { ...shared, hostOf: (nth) => (nth % 2 === host ? `host-${host}` : null) }), 5),
      ),
    );
    const names = (batches: (readonly Sample[])[]) => new Set(batches.flat().map(({ device }) => device));
    expect([...names(even!)].toSorted()).toEqual(["serving-0", "serving-2", "serving-4", "serving-6"]);
    expect([...names(odd!)].toSorted()).toEqual(["serving-1", "serving-3", "serving-5", "serving-7"]);
    for (const [tick, batch] of even!.entries())
      expect(Math.abs(batch[0]!.atMs - odd![tick]![0]!.atMs)).toBeLessThan(5);
    const wallMs = even![0]![0]!.atMs - systemClock.monotonicMs() + systemClock.wallMs();
    expect(Math.abs(wallMs - startAtWallMs)).toBeLessThan(5);
  });

  it("joins in the middle when its start has passed, as an agent does that was started again", async () => {
    const lines = Array.from({ length: 100 }, (_, tick) => `${tick},a,p,${tick},1`);
    const part = { startAtWallMs: Date.now() - 500, speed: 10 };
    const [[first]] = (await play(options(await trace(...lines), part), 1)) as [[Sample]];
    expect(first.utilPct).toBeGreaterThanOrEqual(5);
    expect(first.utilPct).toBeLessThan(30);
  });

  it("begins where it is told, and begins again at the end when it loops", async () => {
    const path = await trace("0,a,p,1,", "10,a,p,2,", "20,a,p,3,");
    const batches = await play(options(path, { startAtS: 10, loop: true }), 5);
    expect(batches.map(([only]) => only!.utilPct)).toEqual([2, 3, 2, 3, 2]);
    const timesMs = batches.map(([only]) => Math.round(only!.atMs - batches[0]![0]!.atMs));
    expect(timesMs).toEqual([0, 10, 20, 30, 40]);
  });

  it("tells its devices before the first sample: hosts, pools, indices on the host, how fast they are sampled", async () => {
    const replay = await openReplay(
      options(sample, {
        speed: 57,
        hostOf: (nth) => `host-${nth % 2}`,
        poolOf: (device, pool) => (device === "serving-0" ? "mine" : pool),
      }),
    );
    expect(replay.devices()).toHaveLength(16);
    expect(replay.devices()[0]).toEqual({
      uuid: "serving-0",
      host: "host-0",
      pool: "mine",
      model: "replayed",
      index: 0,
      memoryTotalMib: 49_152,
    });
    expect(replay.devices()[15]).toMatchObject({
      uuid: "research-7",
      host: "host-1",
      pool: "research",
      index: 7,
    });
    expect(replay.tickMs).toBe(1_000);
    expect(Math.round(replay.durationMs / 1_000)).toBe(252);
  });

  it("leaves broken lines out, says so once, and goes on", async () => {
    const broken = [
      "x,a,p,1,1",
      "0,a,p,1",
      "0,a,p,1,1,1",
      "0,,p,1,1",
      "0,a,p,101,1",
      "0,a,p,NaN,1",
      "0,a,p,0x1,1",
      "0,a,p,-1,1",
      "0,a,p,1,none",
      '"0,a,p,1,1',
    ];
    said.length = 0;
    const [only, ...rest] = await play(options(await trace("0,ok,p,1,1", ...broken, "0,last,p,1,1")));
    expect(rest).toEqual([]);
    expect(only!.map(({ device }) => device)).toEqual(["ok", "last"]);
    expect(said.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ lines: broken.length, first: 'line 3: time_s is "x"' }),
    ]);
  });

  it("refuses at the start what cannot be played, and says where it is wrong", async () => {
    expect(await refusal(await trace("57,a,p,1,1", "0,a,p,1,1"))).toBe(
      "TRACE_INVALID PATH, line 3: time_s goes back from 57 to 0; sort the file by time",
    );
    expect(await refusal(await trace())).toBe("TRACE_INVALID PATH, line 2: no line of data");
    expect(await refusal(await trace("nonsense"))).toBe(
      "TRACE_INVALID PATH, line 2: line 2: 1 fields instead of 5",
    );
    expect(await refusal(await trace(`0,${"a".repeat(5_000)},p,1,1`))).toMatch(
      /^TRACE_INVALID PATH, line 2: .*1024/,
    );
    const other = join(dir, "other.csv");
    await writeFile(other, "time,gpu,util\n1,2,3\n");
    expect(await refusal(other)).toBe('TRACE_INVALID PATH, line 1: the header is "time,gpu,util"');
    await writeFile(other, "");
    expect(await refusal(other)).toBe("TRACE_INVALID PATH, line 1: the file is empty");
    await writeFile(other, gzipSync(`${header}\n0,a,p,1,2\n`).subarray(0, 30));
    expect(await refusal(other)).toMatch(/^FILE_DAMAGED PATH: .*unexpected end of file/);
    expect(await refusal(join(dir, "absent.csv"))).toMatch(/^FILE_UNREADABLE PATH: ENOENT/);
    expect(await refusal(dir)).toMatch(/^FILE_UNREADABLE PATH: EISDIR/);
    const pipe = join(dir, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(await refusal(pipe)).toMatch(/^FILE_UNREADABLE PATH: .*no pipe/);
    expect(await refusal(sample, { speed: 0 })).toBe(
      "CONFIG_INVALID replay: speed: must be more than 0, not 0",
    );
    expect(await refusal(sample, { devices: ["serving-0", "nobody"] })).toBe(
      'CONFIG_INVALID replay: devices: the trace has no device "nobody"',
    );
    expect(await refusal(sample, { devices: 0 })).toBe(
      "CONFIG_INVALID replay: devices: must be at least 1, not 0",
    );
    expect(await refusal(sample, { startAtS: 1e6 })).toMatch(
      /^CONFIG_INVALID replay: startAtS: must lie in the trace/,
    );
  });

  it("ends within a moment when it is told to stop, in the middle of a wait", async () => {
    const stop = new AbortController();
    const replay = await openReplay(options(await trace("0,a,p,1,1", "100000,a,p,1,1")));
    const samples = replay.samples(stop.signal)[Symbol.asyncIterator]();
    expect((await samples.next()).done).toBe(false);
    const next = samples.next();
    stop.abort();
    expect((await next).done).toBe(true);
  });
});
