import { backtestPools } from "../../src/backtest/backtest-pools.ts";
import { defaultPoolRules } from "../../src/backtest/rules.ts";
import { readPoolTrace, type PoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { bootstrap, ratioOf } from "../harness/bootstrap.ts";
import { held, offBy, type Section } from "./figures.ts";
import { interpolate, type Point } from "./interpolate.ts";
import { poolBlocks, type PoolBlock } from "./pool-blocks.ts";

/** Its demand exceeds its capacity most of the time. */
const leftOut = "A10";
const dayS = 86_400;
const warmUpS = 14 * dayS;
const shares = [0.1, 0.05, 0.02, 0.01];
const violatedShare = ratioOf<PoolBlock>(
  ({ violated }) => violated,
  ({ ticks }) => ticks,
);
const offeredShare = ratioOf<PoolBlock>(
  ({ lent }) => lent,
  ({ idle }) => idle,
);
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
    const nsigma = sigmas.map((n) => pointOf(play(trace, `nsigma:${n}`)));
    return Object.fromEntries(
      shares.flatMap((share) => {
        const blocks = play(trace, "learned:met", share);
        const [violated, offered] = pointOf(blocks);
        const { low, high } = bootstrap(blocks, violatedShare);
        return [
          [`spotSet${share}Violated`, violated],
          [`spotSet${share}ViolatedLow`, low],
          [`spotSet${share}ViolatedHigh`, high],
          [`spotSet${share}OffBy`, offBy(violated, share)],
          [`spotSet${share}Offered`, offered],
          [`spotRatioToNsigmaAt${share}`, offered / interpolate(nsigma, violated)],
        ];
      }),
    );
  },
};

/** After the warm-up, by weeks of pools. */
function play(trace: PoolTrace, policy: string, waitedShareMax: number | null = null): PoolBlock[] {
  const [result] = backtestPools(trace, [policy], {
    rules: defaultPoolRules,
    waitedShareMax,
    meetingsPerGpuDayMax: null,
    seed: 1,
  });
  return poolBlocks(trace, result!.decisions, 7 * dayS, warmUpS);
}

/** Share of the pool-hours whose next hour's demand met a lent GPU, and share of the idle capacity lent. */
function pointOf(blocks: readonly PoolBlock[]): Point {
  return [violatedShare(blocks), offeredShare(blocks)];
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
