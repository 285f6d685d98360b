import type { PoolDecision } from "../replay/pool-replay.ts";
import type { PoolRules } from "../rules.ts";
import { cheapestEndS, levelRuns } from "../score/pool-bounds.ts";
import type { PoolSeries } from "../score/pool-series.ts";

/**
 * What would have been worth most on the pools' ticks: lends the runs of its levels that pay, and leaves at the last tick where that
 * is cheaper than the owner's return. It knows the future, so it is no policy but the measure of them: its net is the bound `exact`.
 */
export function clairvoyantLines(pools: readonly PoolSeries[], rules: PoolRules): PoolDecision[] {
  return pools.flatMap((series) => linesOf(series, rules)).toSorted((one, other) => one.timeS - other.timeS);
}

function linesOf(series: PoolSeries, rules: PoolRules): PoolDecision[] {
  const { pool, timesS } = series;
  const change = new Int32Array(timesS.length + 1);
  for (const run of levelRuns(series)) {
    const endS = cheapestEndS(run, series, rules);
    if (run.lengthS - rules.startS - endS <= 0) continue;
    const leaves = run.byOwner && endS < rules.penaltyS;
    change[run.firstTick]! += run.levels;
    change[leaves ? run.lastTick : run.lastTick + 1]! -= run.levels;
  }
  const lines: PoolDecision[] = [];
  let lent = 0;
  for (const [tick, timeS] of timesS.entries()) {
    lent += change[tick]!;
    // Also after a gap, where levels begin anew.
    if (change[tick] !== 0 || (tick > 0 && series.gapNext[tick - 1] === 1))
      lines.push({ timeS, pool, lent, reason: "pays" });
  }
  return lines;
}
