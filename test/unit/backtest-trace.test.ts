import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { readJobTrace } from "../../src/backtest/trace/job-trace.ts";
import { readPoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { withDirectory } from "../support/backtest/figures.ts";

const devicesHead = "time_s,device,pool,gpu_util_pct,mem_used_mib";
const jobsHead = "submit_s,duration_s,gpus,pool";
const poolsHead = "time_s,pool,gpus_total,gpus_busy,gpus_pending";

async function read<T>(content: string | Buffer, reader: (path: string) => Promise<T>): Promise<T> {
  return withDirectory(async (dir) => {
    const path = join(dir, "trace");
    await writeFile(path, content);
    return reader(path);
  });
}

describe("a trace of devices", () => {
  const lines = [devicesHead, "0,a,p,0.0,100", "0,b,q,,", "57.5,a,p,3,", ""].join("\n");

  it.each([
    ["plain", lines],
    ["gzip by its content", gzipSync(lines)],
    ["with Windows' line ends and a byte order mark", `\uFEFF${lines.replaceAll("\n", "\r\n")}`],
  ])("is read into columns: %s", async (_, content) => {
    const trace = await read(content, readDeviceTrace);
    expect({ devices: trace.devices, pools: trace.pools }).toEqual({
      devices: ["a", "b"],
      pools: ["p", "q"],
    });
    expect([...trace.timesS]).toEqual([0, 57.5]);
    expect([...trace.firstRow]).toEqual([0, 2, 3]);
    expect([...trace.device]).toEqual([0, 1, 0]);
    expect([...trace.pool]).toEqual([0, 1, 0]);
    expect([...trace.utilPct]).toEqual([0, NaN, 3]);
    expect([...trace.memoryUsedMib]).toEqual([100, NaN, NaN]);
  });

  it("may have its columns in any order", async () => {
    const trace = await read("device,mem_used_mib,time_s,gpu_util_pct,pool\na,7,0,1,p\n", readDeviceTrace);
    expect([trace.devices, trace.pools, [...trace.utilPct], [...trace.memoryUsedMib]]).toEqual([
      ["a"],
      ["p"],
      [1],
      [7],
    ]);
  });

  it("is not read beyond the time that was asked for, not even where it is broken there", async () => {
    const trace = await read(`${lines}99,a,p,nan,nan,nan\n`, (path) => readDeviceTrace(path, 57.5));
    expect([...trace.timesS]).toEqual([0, 57.5]);
    await expect(read(`${lines}99,a,p,nan,1\n`, readDeviceTrace)).rejects.toThrow("line 5");
  });

  it.each([
    ["", "line 1: the file is empty"],
    [`${devicesHead}\n`, "line 2: no line of data"],
    ["time_s,gpu,pool,gpu_util_pct,mem_used_mib\n", '"gpu" is no column'],
    ["time_s,device,pool,gpu_util_pct\n", "the column mem_used_mib is missing"],
    ["time_s,device,device,pool,gpu_util_pct,mem_used_mib\n", "the column device is there twice"],
    [`${devicesHead}\n0,a,p,0\n`, "line 2: 4 fields instead of 5"],
    [`${devicesHead}\n0,a,p,0,1\n57,a,p,0,1\n0,b,p,0,1\n`, "line 4: time_s goes back from 57 to 0"],
    [`${devicesHead}\n0,a,p,0,1\n0,b,p,0,1\n0,a,p,0,1\n`, "line 4: a second line of device a at 0 s"],
    [`${devicesHead}\n0,a,p,NaN,1\n`, 'line 2: gpu_util_pct is "NaN"'],
    [`${devicesHead}\n0,a,p,-1,1\n`, 'line 2: gpu_util_pct is "-1"'],
    [`${devicesHead}\n0,a,p,101,1\n`, 'line 2: gpu_util_pct is "101"'],
    [`${devicesHead}\n0,a,p,0,inf\n`, 'line 2: mem_used_mib is "inf"'],
    [`${devicesHead}\n,a,p,0,1\n`, 'line 2: time_s is ""'],
    [`${devicesHead}\n-5,a,p,0,1\n`, 'line 2: time_s is "-5"'],
    [`${devicesHead}\n0,,p,0,1\n`, 'line 2: device is ""'],
    [`${devicesHead}\n0,a;b,p,0,1\n`, 'line 2: device is "a;b"'],
    [`${devicesHead}\n0,${"a".repeat(2_000)},p,0,1\n`, "line 2"],
  ])("that is broken is refused with its line: %j", async (content, problem) => {
    await expect(read(content, readDeviceTrace)).rejects.toMatchObject({
      code: "TRACE_INVALID",
      message: expect.stringContaining(problem) as string,
    });
  });

  it("that breaks off or is not there is no trace", async () => {
    const torn = gzipSync(lines.repeat(1)).subarray(0, -12);
    await expect(read(torn, readDeviceTrace)).rejects.toMatchObject({ code: "FILE_DAMAGED" });
    await expect(readDeviceTrace("/nowhere.csv")).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });
});

describe("a trace of pools", () => {
  it.each([
    ["with", `${poolsHead}\n0,a,8,3,2\n0,b,4,1.5,\n60,a,8,9,0\n`, [2, 0, 0]],
    ["without", "time_s,pool,gpus_total,gpus_busy\n0,a,8,3\n0,b,4,1.5\n60,a,8,9\n", [0, 0, 0]],
  ])("is read into columns %s pending demand", async (_, content, pending) => {
    const trace = await read(content, readPoolTrace);
    expect(trace.pools).toEqual(["a", "b"]);
    expect([...trace.timesS]).toEqual([0, 60]);
    expect([...trace.firstRow]).toEqual([0, 2, 3]);
    expect([...trace.gpusTotal]).toEqual([8, 4, 8]);
    expect([...trace.gpusBusy]).toEqual([3, 1.5, 9]);
    expect([...trace.gpusPending]).toEqual(pending);
  });

  it.each([
    ["time_s,pool,gpus_total,busy\n", '"busy" is no column'],
    [`${poolsHead}\n0,a,8,,0\n`, 'line 2: gpus_busy is ""'],
    [`${poolsHead}\n0,a,-8,1,0\n`, 'line 2: gpus_total is "-8"'],
    [`${poolsHead}\n0,a,8,1,x\n`, 'line 2: gpus_pending is "x"'],
    [`${poolsHead}\n0,a,8,1,0\n0,a,8,2,0\n`, "line 3: a second line of pool a at 0 s"],
  ])("that is broken is refused with its line: %j", async (content, problem) => {
    await expect(read(content, readPoolTrace)).rejects.toMatchObject({
      code: "TRACE_INVALID",
      message: expect.stringContaining(problem) as string,
    });
  });
});

describe("a trace of jobs", () => {
  it("is read into columns, any number of jobs of a pool at one time", async () => {
    const trace = await read(`${jobsHead}\n0,60,1,p\n0,0,8,p\n5.5,7.25,2,q\n9,1,1,p\n`, (path) =>
      readJobTrace(path, 6),
    );
    expect(trace.pools).toEqual(["p", "q"]);
    expect([...trace.submitS]).toEqual([0, 0, 5.5]);
    expect([...trace.durationS]).toEqual([60, 0, 7.25]);
    expect([...trace.gpus]).toEqual([1, 8, 2]);
    expect([...trace.pool]).toEqual([0, 0, 1]);
  });

  it.each([
    ["time_s,duration_s,gpus,pool\n", '"time_s" is no column'],
    ["submit_s,duration_s,gpus\n", "the column pool is missing"],
    [`${jobsHead}\n`, "line 2: no line of data"],
    [`${jobsHead}\n5,1,1,p\n4,1,1,p\n`, "line 3: submit_s goes back from 5 to 4"],
    [`${jobsHead}\nNaN,1,1,p\n`, 'line 2: submit_s is "NaN"'],
    [`${jobsHead}\n0,-1,1,p\n`, 'line 2: duration_s is "-1"'],
    [`${jobsHead}\n0,,1,p\n`, 'line 2: duration_s is ""'],
    [`${jobsHead}\n0,1,0,p\n`, 'line 2: gpus is "0"; it must be a whole number from 1 to 100000'],
    [`${jobsHead}\n0,1,1.5,p\n`, 'line 2: gpus is "1.5"; it must be a whole number'],
    [`${jobsHead}\n0,1,1\n`, "line 2: 3 fields instead of 4"],
  ])("is refused where it is wrong: %j", async (content, problem) => {
    await expect(read(content, readJobTrace)).rejects.toThrow(problem);
  });
});
