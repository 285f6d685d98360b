import { decideCycle } from "../src/core/cycle.ts";
import type { CycleSettings, Snapshot } from "../src/core/snapshot.ts";
import { defaults } from "../src/config/defaults.ts";
import type { Bench } from "./harness/bench.ts";
import { randomFleet } from "./harness/fleet.ts";

const { cycle, forecast, guest, telemetry } = defaults;

const settings: CycleSettings = {
  fitChanceMin: forecast.fitChanceMin,
  evictionPenaltyMs: forecast.evictionPenaltyMs,
  pausePenaltyMs: forecast.resumeIdleMsMin,
  checkpointIntervalMs: guest.checkpointIntervalMs,
  horizonMs: 4 * 3_600_000,
  tickMs: telemetry.sampleIntervalMs,
};

/** Cycles of each size in a round: about as many devices each, so that noise meets them alike. */
const sizes = [
  { name: "1k", devices: 1_000, cycles: 40 },
  { name: "10k", devices: 10_000, cycles: 6 },
  { name: "100k", devices: 100_000, cycles: 1 },
] as const;

export default {
  name: "decide",
  summary: "one decision cycle; half as many waiting guests as devices, one tenant per 100 devices",
  targets: { cycleMs100k: { max: 500 }, costPerDeviceRatio100k: { max: 1.2 } },
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
    let lends: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      sizes.forEach(({ cycles }, size) => {
        for (let i = 0; i < cycles; i++) {
          const ms = timeMs(fleets[size]!);
          // The first round only warms up.
          if (round > 0) timesMs[size]!.push(ms);
        }
      });
    }
    lends = fleets.map((fleet) => decideCycle(fleet, settings).lends.length);
    const [cycleMs1k = NaN, cycleMs10k = NaN, cycleMs100k = NaN] = timesMs.map(median);
    return {
      params: { rounds, seed, lendsMax, lends1k: lends[0]!, lends10k: lends[1]!, lends100k: lends[2]! },
      metrics: {
        cycleMs1k,
        cycleMs10k,
        cycleMs100k,
        costPerDeviceRatio100k: cycleMs100k / 100 / cycleMs1k,
      },
    };
  },
} satisfies Bench;

function timeMs(fleet: Snapshot): number {
  const startMs = performance.now();
  decideCycle(fleet, settings);
  return performance.now() - startMs;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}
