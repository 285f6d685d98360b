import { backtestPools } from "../../src/backtest/backtest-pools.ts";
import { defaultPoolRules } from "../../src/backtest/rules.ts";
import { expandLevels } from "../../src/backtest/score/pool-levels.ts";
import { poolSeries } from "../../src/backtest/score/pool-series.ts";
import { readPoolTrace, type PoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { held, offBy, type Section } from "./figures.ts";
import { interpolate, type Point } from "./interpolate.ts";

/** Its demand exceeds its capacity most of the time. */
const leftOut = "A10";
const warmUpS = 14 * 86_400;
const shares = [0.1, 0.05, 0.02, 0.01];
const sigmas = Array.from({ length: 71 }, (_, index) => index / 10);

export const spot: Section = {
  trace: "spot2026.demand.csv.gz",
  targets: {
    "spotRatioToNsigmaAt0.05": { min: 1.6 },
    "spotRatioToNsigmaAt0.01": { min: 1.9 },
    ...Object.fromEntries(shares.map((share) => [`spotSet${share}OffBy`, held])),
  },
  async measure(path) {
    const trace = without(await readPoolTrace(path), leftOut);
    const nsigma = sigmas.map((n) => play(trace, `nsigma:${n}`));
    return Object.fromEntries(
      shares.flatMap((share) => {
        const [violated, offered] = play(trace, "learned:met", share);
        return [
          [`spotSet${share}Violated`, violated],
          [`spotSet${share}OffBy`, offBy(violated, share)],
          [`spotSet${share}Offered`, offered],
          [`spotRatioToNsigmaAt${share}`, offered / interpolate(nsigma, violated)],
        ];
      }),
    );
  },
};

/** After the warm-up: share of the pool-hours whose next hour's demand met a lent GPU, and share of the idle capacity lent. */
function play(trace: PoolTrace, policy: string, waitedShareMax: number | null = null): Point {
  const rules = defaultPoolRules;
  const [result] = backtestPools(trace, [policy], {
    rules,
    waitedShareMax,
    meetingsPerGpuDayMax: null,
    seed: 1,
  });
  const lines = Map.groupBy(result!.decisions, ({ pool }) => pool);
  const sums = { ticks: 0, violated: 0, lent: 0, idle: 0 };
  for (const series of poolSeries(trace, rules)) {
    const { lent } = expandLevels(series, lines.get(series.pool) ?? []);
    for (const [tick, timeS] of series.timesS.entries()) {
      if (timeS < warmUpS || series.gapNext[tick] === 1) continue;
      sums.ticks += 1;
      sums.violated += lent[tick]! > series.idle[tick + 1]! ? 1 : 0;
      sums.lent += lent[tick]!;
      sums.idle += series.idle[tick]!;
    }
  }
  return [sums.violated / sums.ticks, sums.lent / sums.idle];
}

function without(trace: PoolTrace, pool: string): PoolTrace {
  const index = trace.pools.indexOf(pool);
  const rows = [...trace.pool.keys()].filter((row) => trace.pool[row] !== index);
  const before = new Uint32Array(trace.pool.length + 1);
  for (const row of trace.pool.keys()) before[row + 1] = before[row]! + (trace.pool[row] === index ? 0 : 1);
  const keep = (column: Float64Array) => Float64Array.from(rows, (row) => column[row]!);
  return {
    pools: trace.pools.filter((name) => name !== pool),
    timesS: trace.timesS,
    firstRow: trace.firstRow.map((row) => before[row]!),
    pool: Uint32Array.from(rows, (row) => trace.pool[row]! - (trace.pool[row]! > index ? 1 : 0)),
    gpusTotal: keep(trace.gpusTotal),
    gpusBusy: keep(trace.gpusBusy),
    gpusPending: keep(trace.gpusPending),
  };
}
