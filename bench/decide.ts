import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createDecider } from "../src/controller/decide.ts";
import { decideCycle } from "../src/core/cycle.ts";
import type { CycleSettings, Snapshot } from "../src/core/snapshot.ts";
import { defaults } from "../src/config/defaults.ts";
import { median } from "./harness/statistics.ts";
import type { Bench } from "./harness/bench.ts";
import { BlockMeter } from "./harness/block-meter.ts";
import { randomFleet } from "./harness/fleet.ts";

const { cycle, forecast, recall, terms } = defaults;

const settings: CycleSettings = {
  fitChanceMin: forecast.fitChanceMin,
  evictionPenaltyMs: forecast.evictionPenaltyMs,
  pausePenaltyMs: forecast.resumeIdleMsMin,
  unheardMs: terms.termMs + recall.killMarginMs + terms.driftMs,
  horizonMs: forecast.horizonMs,
};

/** Cycles of each size in a round: about as many devices each, so that noise meets them alike. */
const sizes = [
  { devices: 1_000, cycles: 40 },
  { devices: 10_000, cycles: 6 },
  { devices: 100_000, cycles: 1 },
] as const;

export default {
  name: "decide",
  summary: "one decision cycle; half as many waiting guests as devices, one tenant per 100 devices",
  targets: {
    cycleMs100k: { max: 500 },
    costPerDeviceRatio100k: { max: 1.2 },
    mainThreadBlockMs100k: { max: 15 },
  },
  options: {
    rounds: { value: 9, help: "rounds; each figure is the median of all its cycles" },
    lendsMax: { value: cycle.lendsMax, help: "guests lent in one cycle" },
    seed: { value: 1, help: "of the fleet" },
  },
  async run({ rounds = 9, lendsMax = cycle.lendsMax, seed = 1 }) {
    const fleets = sizes.map(({ devices }) =>
      randomFleet({ devices, guests: devices / 2, tenants: devices / 100, lendsMax }, seed),
    );
    const timesMs: number[][] = sizes.map(() => []);
    for (let round = 0; round <= rounds; round++)
      sizes.forEach(({ cycles }, size) => {
        for (let i = 0; i < cycles; i++) {
          const ms = timeMs(fleets[size]!);
          // The first round only warms up.
          if (round > 0) timesMs[size]!.push(ms);
        }
      });
    const [lends1k = 0, lends10k = 0, lends100k = 0] = fleets.map(
      (fleet) => decideCycle(fleet, settings).lends.length,
    );
    const [cycleMs1k = NaN, cycleMs10k = NaN, cycleMs100k = NaN] = timesMs.map(median);
    return {
      params: {
        rounds,
        seed,
        lendsMax,
        lends1k,
        lends10k,
        lends100k,
        devicesChangedPerCycle: changedPerCycle,
      },
      metrics: {
        cycleMs1k,
        cycleMs10k,
        cycleMs100k,
        costPerDeviceRatio100k: cycleMs100k / 100 / cycleMs1k,
        ...(await threadFigures(fleets[2]!, rounds)),
        ...(await journalFigures("10k", fleets[1]!, rounds)),
        ...(await journalFigures("100k", fleets[2]!, rounds)),
      },
    };
  },
} satisfies Bench;

const changedPerCycle = 5_000;

/** The same cycles on a thread of their own: the first, which sends the whole fleet over, and those after it, which send what changed. */
async function threadFigures(fleet: Snapshot, rounds: number): Promise<Record<string, number>> {
  const decider = createDecider({ workerAboveDevices: 0, settings });
  const blocks: { blockMs: number; blockCpuMs: number; ms: number }[] = [];
  try {
    for (let round = 0, next = fleet; round <= rounds; round++, next = changed(next, round)) {
      // What the fleet's change left behind is not the decider's.
      await sleep(50);
      const meter = new BlockMeter();
      const startMs = performance.now();
      await decider.decide(next);
      const ms = performance.now() - startMs;
      blocks.push({ ...meter.stop(), ms });
    }
  } finally {
    await decider.close();
  }
  const [first, ...others] = blocks;
  return {
    mainThreadBlockMs100k: median(others.map(({ blockMs }) => blockMs)),
    mainThreadBlockCpuMs100k: median(others.map(({ blockCpuMs }) => blockCpuMs)),
    firstMainThreadBlockMs100k: first?.blockMs ?? NaN,
    firstMainThreadBlockCpuMs100k: first?.blockCpuMs ?? NaN,
    threadCycleMs100k: median(others.map(({ ms }) => ms)),
  };
}

/**
 * What it takes to journal a cycle, from its decision until it is on the disk: by the thread that decided it, which waits for
 * nothing meanwhile. The first record holds the whole snapshot, the others what changed.
 */
async function journalFigures(
  size: string,
  fleet: Snapshot,
  rounds: number,
): Promise<Record<string, number>> {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-bench-decisions-"));
  let told = Promise.withResolvers<void>();
  const kept = {
    dir,
    bytesMax: defaults.decisions.keptMibMax * 1024 * 1024,
    release: "bench",
    wallMs: Date.now,
    onNews: () => told.resolve(),
  };
  const decider = createDecider({ workerAboveDevices: 0, settings, kept });
  const bytes = () => readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
  const records: { ms: number; kib: number; cycleMs: number }[] = [];
  try {
    for (let round = 0, next = fleet, before = 0; round <= rounds; round++, next = changed(next, round)) {
      told = Promise.withResolvers();
      const startMs = performance.now();
      await decider.decide(next);
      const decidedMs = performance.now();
      await told.promise;
      const after = bytes();
      records.push({
        ms: performance.now() - decidedMs,
        kib: (after - before) / 1024,
        cycleMs: decidedMs - startMs,
      });
      before = after;
    }
  } finally {
    await decider.close();
    rmSync(dir, { recursive: true });
  }
  const [first, ...others] = records;
  return {
    [`journalMs${size}`]: median(others.map(({ ms }) => ms)),
    [`firstJournalMs${size}`]: first?.ms ?? NaN,
    [`journalKib${size}`]: median(others.map(({ kib }) => kib)),
    [`firstJournalKib${size}`]: first?.kib ?? NaN,
    [`journalledThreadCycleMs${size}`]: median(others.map(({ cycleMs }) => cycleMs)),
  };
}

/** A twentieth of the devices has new views, a hundredth of the guests is gone. */
function changed(fleet: Snapshot, round: number): Snapshot {
  const every = 100_000 / changedPerCycle;
  return {
    ...fleet,
    devices: fleet.devices.map((device, place) => ((place + round) % every === 0 ? { ...device } : device)),
    guests: fleet.guests.slice(Math.ceil(fleet.guests.length / 100)),
  };
}

function timeMs(fleet: Snapshot): number {
  const startMs = performance.now();
  decideCycle(fleet, settings);
  return performance.now() - startMs;
}
