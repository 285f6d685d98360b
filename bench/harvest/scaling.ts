import type { Reading } from "../../src/core/forecast/reading.ts";
import { DeviceForecast, defaultDeviceForecastSettings } from "../../src/core/forecast/device-forecast.ts";
import { SeededRandom } from "../harness/random.ts";
import { median } from "../harness/statistics.ts";
import { ForecastAudit } from "../../src/core/forecast/forecast-audit.ts";
import type { Figures, Section } from "./figures.ts";

const devicesPerPool = 5_000;
const intervalMs = 60_000;
/** Of each size; the first third only warms up. */
const sweeps = 15;
const idleChance = { afterIdle: 0.9, afterBusy: 0.4 };

/** Processor time of one reading of each device, taken in and settled; and what it takes to judge the forecast by it. */
export const scaling: Section = {
  trace: null,
  targets: { sweepCpuMs100k: { max: 1_000 }, auditCpuMs100k: { max: 100 } },
  async measure() {
    return { ...sweepFigures("1k", 1_000), ...sweepFigures("10k", 10_000), ...sweepFigures("100k", 100_000) };
  },
};

function sweepFigures(size: string, devices: number): Figures {
  const forecast = new DeviceForecast({ ...defaultDeviceForecastSettings, gapMs: 90_000 });
  const audit = new ForecastAudit(90_000);
  const random = new SeededRandom(1);
  let readings: readonly Reading[] = Array.from({ length: devices }, (_, i) => ({
    device: `GPU-${i}`,
    pool: `pool-${Math.floor(i / devicesPerPool)}`,
    atMs: 0,
    owner: "idle",
    utilPct: 0,
    memoryUsedMib: 20_000,
  }));
  const timesMs: { observe: number; settle: number; audit: number }[] = [];
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const observe = cpuMs(() => {
      for (const reading of readings) forecast.observe(reading);
    });
    const settle = cpuMs(() => forecast.settle(sweep * intervalMs));
    // What the curves cost is the forecast's.
    const curves = readings.map(({ device, owner }) =>
      owner === "idle" ? forecast.curve(device, sweep * intervalMs) : null,
    );
    const judge = cpuMs(() => {
      for (const [i, { pool, device, owner, atMs }] of readings.entries()) {
        audit.observe(pool, device, owner, atMs);
        if (owner === "idle") audit.ask(device, atMs, () => curves[i]!);
      }
    });
    if (sweep >= sweeps / 3) timesMs.push({ observe, settle, audit: judge });
    readings = readings.map((reading) => nextReading(reading, random));
  }
  return {
    [`observeCpuMs${size}`]: median(timesMs.map(({ observe }) => observe)),
    [`settleCpuMs${size}`]: median(timesMs.map(({ settle }) => settle)),
    [`auditCpuMs${size}`]: median(timesMs.map(({ audit }) => audit)),
    [`sweepCpuMs${size}`]: median(timesMs.map(({ observe, settle }) => observe + settle)),
  };
}

function nextReading(reading: Reading, random: SeededRandom): Reading {
  const idle = random.chance(reading.owner === "idle" ? idleChance.afterIdle : idleChance.afterBusy);
  const utilPct = idle ? 0 : 1 + random.below(99);
  return { ...reading, atMs: reading.atMs + intervalMs, owner: idle ? "idle" : "busy", utilPct };
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
