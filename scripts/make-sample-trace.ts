import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { seeded } from "../src/backtest/seeded.ts";

/*
 * Generates examples/sample.devices.csv.gz: a made-up fleet with the statistics of a published one (Alibaba's GenAI inference
 * trace of 2026). Idle runs are Lomax as in src/core/survival-prior.ts, busy runs log-normal with median 2 min and p99 13 min.
 */

export const sampleSeed = 201;
const tickS = 57;
const sampleTicks = 253;
const pools = ["serving", "research"];
const devicesPerPool = 8;

/** Idle runs: S(t) = (1 + t/scale)^−shape, the scale in minutes for each pool: serving's owners return sooner. */
const idleScaleMin: Readonly<Record<string, number>> = { serving: 3.6, research: 5 };
const idleShape = 1.638;
const busyMedianMin = 2;
const busySigma = Math.log(13 / 2) / 2.326;
const idleShareAtStart = 0.72;
/** Of the memory that an idle owner holds, over the devices: p10/p50/p90 are 17/24/30 GiB. */
const heldGibQuantiles: readonly [chance: number, gib: number][] = [
  [0, 13],
  [0.1, 17],
  [0.5, 24],
  [0.9, 30],
  [1, 35],
];
/** How often a busy run begins with a tick of little utilisation, and an idle one ends with a memory step. */
const announcedShare = 0.44;
const memoryStepShare = 0.1;
const absentShare = 0.01;
const emptyShare = 0.005;

/** The file's text. The same seed gives the same bytes. `ticks`: how many, for a longer one than the sample. */
export function makeSampleTrace(seed: number, ticks = sampleTicks): string {
  const random = seeded(seed);
  const devices = pools.flatMap((pool) =>
    Array.from({ length: devicesPerPool }, (_, nth) => ({ pool, name: `${pool}-${nth}` })),
  );
  const heldGib = shuffled(
    devices.map((_, nth) => heldAt((nth + 0.5) / devices.length)),
    random,
  );
  const columns = devices.map(({ pool }, nth) =>
    deviceRows(ticks, idleScaleMin[pool]!, heldGib[nth]! * 1_024, random),
  );
  const lines = ["time_s,device,pool,gpu_util_pct,mem_used_mib"];
  for (let tick = 0; tick < ticks; tick++)
    for (const [nth, { pool, name }] of devices.entries()) {
      const { util, memoryMib } = columns[nth]![tick]!;
      const isAbsent = random() < absentShare;
      const utilText = random() < emptyShare ? "" : util.toFixed(1);
      const memoryText = random() < emptyShare ? "" : String(Math.round(memoryMib));
      if (!isAbsent) lines.push(`${tick * tickS},${name},${pool},${utilText},${memoryText}`);
    }
  return `${lines.join("\n")}\n`;
}

function deviceRows(
  ticks: number,
  scaleMin: number,
  heldMib: number,
  random: () => number,
): { util: number; memoryMib: number }[] {
  const rows: { util: number; memoryMib: number }[] = [];
  let idle = random() < idleShareAtStart;
  while (rows.length < ticks) {
    const runMin = idle
      ? scaleMin * ((1 - random()) ** (-1 / idleShape) - 1)
      : busyMedianMin * Math.exp(busySigma * normal(random));
    const runTicks = Math.max(1, Math.round((runMin * 60) / tickS));
    const level = 20 + 75 * random();
    const isMarked = random() < (idle ? memoryStepShare : announcedShare);
    // What the owner holds drifts from run to run, but stays within the noise while nothing computes.
    const restMib = heldMib + 400 * (random() - 0.5);
    for (let tick = 0; tick < runTicks; tick++) {
      if (idle)
        rows.push({
          util: 0,
          memoryMib: restMib + 20 * random() + (isMarked && tick > 0 && tick === runTicks - 1 ? 3_000 : 0),
        });
      else if (isMarked && tick === 0) rows.push({ util: 0.2 + 4.7 * random(), memoryMib: restMib });
      else
        rows.push({
          util: Math.min(100, level * (0.7 + 0.6 * random())),
          memoryMib: heldMib + 6_000 * random(),
        });
    }
    idle = !idle;
  }
  return rows.slice(0, ticks);
}

export interface TraceStatistics {
  readonly rows: number;
  readonly devices: number;
  readonly hours: number;
  readonly idleSharePct: number;
  /** p10, p50, p90, p99. */
  readonly idleRunMin: readonly number[];
  /** p50, p99. */
  readonly busyRunMin: readonly number[];
  /** p10, p50, p90. */
  readonly idleHeldGib: readonly number[];
  readonly missingPct: number;
  readonly returnsInFirst120Ticks: number;
  readonly idleRunsOf15TicksInFirst120: number;
}

/** Any utilisation above 0 is busy; a missing reading belongs to the run around it; cut-off runs at the end do not count. */
export function traceStatistics(csv: string): TraceStatistics {
  const byDevice = new Map<string, { tick: number; util: number; memoryGib: number | null }[]>();
  let complete = 0;
  let idle = 0;
  let lastS = 0;
  const rows = csv.trim().split("\n").slice(1);
  const heldGib: number[] = [];
  for (const row of rows) {
    const [timeS = "", device = "", , util = "", memory = ""] = row.split(",");
    const readings = byDevice.get(device) ?? [];
    byDevice.set(device, readings);
    lastS = Number(timeS);
    if (util !== "" && memory !== "") complete += 1;
    if (util === "") continue;
    readings.push({
      tick: lastS / tickS,
      util: Number(util),
      memoryGib: memory === "" ? null : Number(memory) / 1_024,
    });
    if (Number(util) > 0) continue;
    idle += 1;
    if (memory !== "") heldGib.push(Number(memory) / 1_024);
  }
  const runs = { idle: [] as number[], busy: [] as number[] };
  let known = 0;
  let returnsInFirst120Ticks = 0;
  let idleRunsOf15TicksInFirst120 = 0;
  for (const readings of byDevice.values()) {
    known += readings.length;
    let fromTick = 0;
    for (const [nth, { tick, util }] of readings.entries()) {
      const before = readings[nth - 1];
      if (before === undefined || before.util > 0 === util > 0) continue;
      const runTicks = tick - fromTick;
      fromTick = tick;
      runs[before.util > 0 ? "busy" : "idle"].push((runTicks * tickS) / 60);
      if (before.util > 0 || tick >= 120) continue;
      returnsInFirst120Ticks += 1;
      if (runTicks >= 15) idleRunsOf15TicksInFirst120 += 1;
    }
  }
  return {
    rows: rows.length,
    devices: byDevice.size,
    hours: (lastS + tickS) / 3_600,
    idleSharePct: (100 * idle) / known,
    idleRunMin: [0.1, 0.5, 0.9, 0.99].map((chance) => quantile(runs.idle, chance)),
    busyRunMin: [0.5, 0.99].map((chance) => quantile(runs.busy, chance)),
    idleHeldGib: [0.1, 0.5, 0.9].map((chance) => quantile(heldGib, chance)),
    missingPct: 100 * (1 - complete / (byDevice.size * sampleTicks)),
    returnsInFirst120Ticks,
    idleRunsOf15TicksInFirst120,
  };
}

function quantile(values: readonly number[], chance: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(chance * (values.length - 1))] ?? NaN;
}

function heldAt(chance: number): number {
  const after = heldGibQuantiles.findIndex(([at]) => at >= chance);
  const [low, lowGib] = heldGibQuantiles[after - 1]!;
  const [high, highGib] = heldGibQuantiles[after]!;
  return lowGib + ((chance - low) / (high - low)) * (highGib - lowGib);
}

function shuffled<T>(items: T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Box–Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { seed: { type: "string", default: String(sampleSeed) } } });
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed must be a whole number, not ${values.seed}`);
  const csv = makeSampleTrace(seed);
  const path = join(import.meta.dirname, "../examples/sample.devices.csv.gz");
  writeFileSync(path, gzipSync(csv, { level: 9 }));
  console.log(JSON.stringify({ path, seed, ...traceStatistics(csv) }, undefined, 2));
}
