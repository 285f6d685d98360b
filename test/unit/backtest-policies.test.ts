import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import { backtestPools } from "../../src/backtest/backtest-pools.ts";
import { policyNames } from "../../src/backtest/policies/registry.ts";
import { deviceBounds } from "../../src/backtest/score/device-bounds.ts";
import { idleRuns } from "../../src/backtest/score/idle-runs.ts";
import { poolNetS } from "../../src/backtest/score/pool-tally.ts";
import { readDeviceTrace, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { readPoolTrace, type PoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { withDirectory } from "../support/backtest/figures.ts";
import { deviceCase, poolCase, type DeviceCase, type PoolCase } from "../support/backtest/random-cases.ts";

const seeds = Array.from({ length: 60 }, (_, seed) => seed);
/** What follows the colon of those policies that need it. */
const examples: Readonly<Record<string, string>> = { age: ":100", nsigma: ":1" };
const causalNames = (shape: "devices" | "pools") =>
  policyNames(shape)
    .filter((name) => name !== "clairvoyant")
    .map((name) => `${name}${examples[name] ?? ""}`);

const owners = { meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };

function devicesOf(kase: DeviceCase, untilS = Infinity): Promise<DeviceTrace> {
  return fileOf(kase, (path) => readDeviceTrace(path, untilS));
}

function poolsOf(kase: PoolCase, untilS = Infinity): Promise<PoolTrace> {
  return fileOf(kase, (path) => readPoolTrace(path, untilS));
}

function fileOf<T>({ csv }: { csv: string }, read: (path: string) => Promise<T>): Promise<T> {
  return withDirectory(async (dir) => {
    const path = join(dir, "trace.csv");
    await writeFile(path, csv);
    return read(path);
  });
}

describe("every policy of devices", () => {
  it.each(causalNames("devices"))("decides up to a time by what is known by then: %s", async (policy) => {
    for (const seed of seeds) {
      const kase = deviceCase(seed);
      const context = { rules: kase.rules, ...owners };
      const trace = await devicesOf(kase);
      const [whole] = backtestDevices(trace, [policy], context).results;
      const cutS = trace.timesS[Math.floor(trace.timesS.length / 2)]!;
      const [part] = backtestDevices(await devicesOf(kase, cutS), [policy], context).results;
      expect(part!.decisions).toEqual(whole!.decisions.filter(({ timeS }) => timeS <= cutS));
    }
  });

  it.each(causalNames("devices"))(
    "breaks no rule and stays within what nobody exceeds: %s",
    async (policy) => {
      for (const seed of seeds) {
        const kase = deviceCase(seed);
        const { bounds, results } = backtestDevices(await devicesOf(kase), [policy], {
          rules: kase.rules,
          ...owners,
        });
        const { netS, violations } = results[0]!.tally;
        expect(violations).toBe(0);
        expect(netS).toBeLessThanOrEqual(bounds.vacateS + 1e-6);
      }
    },
  );

  it("nets what was reckoned to be the most that never leaves by itself, if it knows the future", async () => {
    for (const seed of seeds) {
      const kase = deviceCase(seed);
      const rules = { ...kase.rules, unknown: "clean" } as const;
      const trace = await devicesOf(kase);
      const { results } = backtestDevices(trace, ["clairvoyant"], { rules, ...owners });
      const { novacateS } = deviceBounds(idleRuns(trace, rules), rules);
      expect(results[0]!.tally.netS, `seed ${seed}`).toBeCloseTo(novacateS, 6);
    }
  });
});

describe("every policy of pools", () => {
  it.each(causalNames("pools"))("decides up to a time by what is known by then: %s", async (policy) => {
    for (const seed of seeds) {
      const kase = poolCase(seed);
      const context = { rules: kase.rules, ...owners };
      const trace = await poolsOf(kase);
      const [whole] = backtestPools(trace, [policy], context);
      const cutS = trace.timesS[Math.floor(trace.timesS.length / 2)]!;
      const [part] = backtestPools(await poolsOf(kase, cutS), [policy], context);
      expect(part!.decisions).toEqual(whole!.decisions.filter(({ timeS }) => timeS <= cutS));
    }
  });

  it.each(causalNames("pools"))("breaks no rule and stays within what nobody exceeds: %s", async (policy) => {
    for (const seed of seeds) {
      const { rules, ...kase } = poolCase(seed);
      const [result] = backtestPools(await poolsOf({ rules, ...kase }), [policy], { rules, ...owners });
      expect(result!.total.violations).toBe(0);
      expect(poolNetS(result!.total, rules)).toBeLessThanOrEqual(result!.total.boundS + 1e-6);
    }
  });

  it("nets what was reckoned to be the most on the trace's ticks, if it knows the future", async () => {
    for (const seed of seeds) {
      const { rules, ...kase } = poolCase(seed);
      const [result] = backtestPools(await poolsOf({ rules, ...kase }), ["clairvoyant"], {
        rules,
        ...owners,
      });
      expect(poolNetS(result!.total, rules), `seed ${seed}`).toBeCloseTo(result!.total.exactS, 6);
    }
  });
});
