import { backtestPools, type PoolResult } from "../../src/backtest/backtest-pools.ts";
import { defaultPoolRules } from "../../src/backtest/rules.ts";
import { poolNetS } from "../../src/backtest/score/pool-tally.ts";
import { readPoolTrace, type PoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { bootstrap, ratioOf } from "../harness/bootstrap.ts";
import { held, offBy, type Figures, type Section } from "./figures.ts";
import { interpolate, type Point } from "./interpolate.ts";
import { poolBlocks, type PoolBlock } from "./pool-blocks.ts";

const dayS = 86_400;
const shares = [0.25, 0.1, 0.05, 0.01];
const waitedShare = ratioOf<PoolBlock>(
  ({ waited }) => waited,
  ({ arrivals }) => arrivals,
);
/** What an eviction counts, s. */
const plannedS = Array.from({ length: 22 }, (_, step) => Math.round(900 * 1.5 ** step));

export const earth: Section = {
  trace: "earth.pools.csv.gz",
  targets: {
    earthShareOfBound300: { min: 0.976 },
    earthEvictionsPerHour300: { max: 0.21 },
    earthShareOfBound900: { min: 0.948 },
    earthEvictionsPerHour900: { max: 0.12 },
    "earthLentAtWaited0.25": { min: 0.965 },
    "earthLentAtWaited0.1": { min: 0.89 },
    "earthLentAtWaited0.05": { min: 0.825 },
    "earthLentAtWaited0.01": { min: 0.55 },
    ...Object.fromEntries(shares.map((share) => [`earthSet${share}WaitedOffBy`, held])),
  },
  async measure(path) {
    const trace = await readPoolTrace(path);
    return { ...netFigures(trace), ...frontierFigures(trace), ...heldFigures(trace) };
  },
};

function netFigures(trace: PoolTrace): Figures {
  return Object.fromEntries(
    [300, 900].flatMap((penaltyS) => {
      const { total: tally } = play(trace, "learned", { penaltyS });
      return [
        [`earthShareOfBound${penaltyS}`, poolNetS(tally, { ...defaultPoolRules, penaltyS }) / tally.boundS],
        [`earthEvictionsPerHour${penaltyS}`, tally.evictions / (tally.lentS / 3_600)],
      ];
    }),
  );
}

/** Share of idle GPU-time lent, at the share of arriving GPUs that waited: one price for the whole trace. */
function frontierFigures(trace: PoolTrace): Figures {
  const points = plannedS.map((s): Point => {
    const { waited, arrivals, lentS, idleS } = play(trace, `learned:${s}`).total;
    return [waited / arrivals, lentS / idleS];
  });
  return Object.fromEntries(shares.map((share) => [`earthLentAtWaited${share}`, interpolate(points, share)]));
}

/** The share set, and held by feedback; what chance makes of it, by days of pools. */
function heldFigures(trace: PoolTrace): Figures {
  return Object.fromEntries(
    shares.flatMap((share) => {
      const { total, decisions } = play(trace, "learned", { waitedShareMax: share });
      const { waited, arrivals, lentS, idleS } = total;
      const { low, high } = bootstrap(poolBlocks(trace, decisions, dayS), waitedShare);
      return [
        [`earthSet${share}Waited`, waited / arrivals],
        [`earthSet${share}WaitedLow`, low],
        [`earthSet${share}WaitedHigh`, high],
        [`earthSet${share}WaitedOffBy`, offBy(waited / arrivals, share)],
        [`earthSet${share}Lent`, lentS / idleS],
      ];
    }),
  );
}

function play(
  trace: PoolTrace,
  policy: string,
  { penaltyS = defaultPoolRules.penaltyS, waitedShareMax = null as number | null } = {},
): PoolResult {
  const rules = { ...defaultPoolRules, penaltyS };
  const [result] = backtestPools(trace, [policy], {
    rules,
    waitedShareMax,
    meetingsPerGpuDayMax: null,
    seed: 1,
  });
  return result!;
}
