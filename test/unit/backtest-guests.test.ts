import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { guestsAtLoad } from "../../src/backtest/guests/guests-at-load.ts";
import { readGuests } from "../../src/backtest/guests/read-guests.ts";
import { defaultDeviceRules } from "../../src/backtest/rules.ts";
import { idleRuns } from "../../src/backtest/score/idle-runs.ts";
import { guestsOf, traceOf } from "../support/backtest/few-guests.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { smallDeviceTrace } from "../support/backtest/small-traces.ts";

describe("guests at a load", () => {
  it("bring so much work as is said, and the same for the same seed", () => {
    const trace = smallDeviceTrace(
      Array.from({ length: 40 }, (_, index) => `gpu-${index}`),
      "p",
      3_000,
    );
    const runs = idleRuns(trace, defaultDeviceRules);
    const idleS = runs.flat().reduce((total, { beginS, endS }) => total + endS - beginS, 0);
    for (const load of [0.25, 0.9]) {
      const { durationS, submitS } = guestsAtLoad(runs, load, 300, 3);
      expect(durationS.reduce((total, workS) => total + workS, 0) / idleS / load).toBeCloseTo(1, 1);
      expect(submitS).toEqual(submitS.toSorted());
      expect(guestsAtLoad(runs, load, 300, 3).durationS).toEqual(durationS);
      expect(guestsAtLoad(runs, load, 300, 4).durationS).not.toEqual(durationS);
      const median = durationS.toSorted()[durationS.length >> 1]!;
      expect(median / 900).toBeCloseTo(1, 1);
    }
  });

  it("come only while something idles", () => {
    const runs = idleRuns(
      traceOf({ a: `${"x".repeat(60)}${".".repeat(600)}${"x".repeat(60)}` }),
      defaultDeviceRules,
    );
    const { submitS } = guestsAtLoad(runs, 1, 300, 1);
    expect(submitS.length).toBeGreaterThan(5);
    for (const atS of submitS) {
      expect(atS).toBeGreaterThanOrEqual(3_600);
      expect(atS).toBeLessThanOrEqual(39_600);
    }
  });
});

describe("a file of guests", () => {
  const read = (text: string) =>
    withDirectory(async (dir) => {
      await writeFile(join(dir, "guests.csv"), text);
      return readGuests(join(dir, "guests.csv"), 300);
    });

  it("may name checkpoints, for each guest or for none", async () => {
    expect(await read("duration_s,submit_s\n60,0\n90.5,0\n")).toEqual(guestsOf([0, 60], [0, 90.5]));
    expect(await read("submit_s,duration_s,checkpoint_s\n5,60,20\n7,90,\n")).toEqual(
      guestsOf([5, 60, 20], [7, 90]),
    );
  });

  it.each([
    ["submit_s,duration_s\n", "line 2: no line of data"],
    ["submit_s,seconds\n0,1\n", '"seconds" is no column'],
    ["submit_s\n0\n", "the column duration_s is missing"],
    ["submit_s,duration_s\n5,1\n4,1\n", "line 3: submit_s goes back from 5 to 4"],
    ["submit_s,duration_s\n0,-1\n", 'line 2: duration_s is "-1"'],
    ["submit_s,duration_s\n0,\n", 'line 2: duration_s is ""'],
    ["submit_s,duration_s\nNaN,1\n", 'line 2: submit_s is "NaN"'],
    ["submit_s,duration_s,checkpoint_s\n0,1,0\n", 'line 2: checkpoint_s is "0"'],
    ["submit_s,duration_s\n0,1,2\n", "line 2: 3 fields instead of 2"],
  ])("that is broken is refused with its line: %j", async (text, problem) => {
    await expect(read(text)).rejects.toMatchObject({
      code: "TRACE_INVALID",
      message: expect.stringContaining(problem) as string,
    });
  });
});
