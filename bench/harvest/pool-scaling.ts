import { Reserve, type PoolReading } from "../../src/core/reserve/reserve.ts";
import { SeededRandom } from "../harness/random.ts";
import { median } from "../harness/statistics.ts";
import type { Figures, Section } from "./figures.ts";

const devices = 100_000;
const stepS = 60;
/** Of each number of pools; the first third only warms up. */
const ticks = 15;
/** Of a pool, that come or go at a tick at most. */
const movedShare = 0.1;

/** One owner's fleet in few large pools and in many small ones: processor time of a tick, memory for what is kept. */
export const poolScaling: Section = {
  trace: null,
  targets: { tickCpuMs1kPools: { max: 1_000 }, tickCpuMs5kPools: { max: 1_000 } },
  async measure() {
    return {
      ...tickFigures("100Pools", 100),
      ...tickFigures("1kPools", 1_000),
      ...tickFigures("5kPools", 5_000),
    };
  },
};

function tickFigures(size: string, pools: number): Figures {
  const random = new SeededRandom(1);
  const gpusTotal = devices / pools;
  const reserve = new Reserve({ penaltyS: 300, vacateS: 10, limit: { counts: "waited", max: 0.05 } });
  let readings: readonly PoolReading[] = Array.from({ length: pools }, (_, i) => ({
    pool: `pool-${i}`,
    gpusTotal,
    gpusBusy: Math.floor(gpusTotal / 2),
    gpusPending: 0,
    lent: 0,
    evicted: 0,
    taken: null,
    afterGap: true,
  }));
  const before = memoryMb();
  const timesMs: number[] = [];
  for (let tick = 0; tick < ticks; tick++) {
    const start = process.cpuUsage();
    const lends = reserve.decide(tick * stepS, readings);
    const { user, system } = process.cpuUsage(start);
    if (tick >= ticks / 3) timesMs.push((user + system) / 1_000);
    readings = readings.map((reading, i) => nextReading(reading, lends[i]!.lent, random));
  }
  return { [`tickCpuMs${size}`]: median(timesMs), [`reserveMb${size}`]: memoryMb() - before };
}

function nextReading(reading: PoolReading, lent: number, random: SeededRandom): PoolReading {
  const { pool, gpusTotal, gpusBusy } = reading;
  const most = Math.ceil(gpusTotal * movedShare);
  const busy = Math.min(gpusTotal, Math.max(0, gpusBusy + random.below(2 * most + 1) - most));
  const evicted = Math.max(0, lent - (gpusTotal - busy));
  const counts = { gpusTotal, gpusBusy: busy, gpusPending: 0 };
  return { pool, ...counts, lent: lent - evicted, evicted, taken: null, afterGap: false };
}

/** What the process holds; without a forced collection, so from above. */
function memoryMb(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}
