import type { OnProgress } from "./backtest-devices.ts";
import { clairvoyantLines } from "./policies/clairvoyant-pools.ts";
import { choosePolicy } from "./policies/registry.ts";
import type { PolicyContext } from "./policy.ts";
import { poolFlow, type PoolFlow } from "./report/pool-flow.ts";
import { replayPools, type PoolDecision } from "./replay/pool-replay.ts";
import type { PoolRules } from "./rules.ts";
import { poolBounds } from "./score/pool-bounds.ts";
import { expandLevels } from "./score/pool-levels.ts";
import { poolSeries } from "./score/pool-series.ts";
import { sumTallies, tallyLevels, type PoolTally } from "./score/pool-tally.ts";
import type { PoolTrace } from "./trace/pool-trace.ts";

export interface PoolResult {
  /** As it was asked for. */
  readonly policy: string;
  readonly total: PoolTally;
  readonly pools: readonly { readonly pool: string; readonly tally: PoolTally }[];
  readonly decisions: readonly PoolDecision[];
  readonly flow: PoolFlow;
}

/** Plays each policy over the trace. Throws COMMAND_INVALID for policies that there are none of, before any is played. */
export function backtestPools(
  trace: PoolTrace,
  policies: readonly string[],
  context: PolicyContext<PoolRules>,
  onProgress: OnProgress = () => {},
): PoolResult[] {
  const { rules } = context;
  const choices = policies.map((text) => {
    const { make, argument } = choosePolicy(text, "pools");
    return { text, policy: make === null ? null : make(argument, context) };
  });
  const score = poolScorer(trace, rules);
  const series = poolSeries(trace, rules);
  return choices.map(({ text, policy }, index) => {
    const onPart = (part: number) => onProgress(text, (index + part) / choices.length);
    const decisions =
      policy === null ? clairvoyantLines(series, rules) : replayPools(trace, rules, policy, onPart);
    onPart(1);
    const pools = score(decisions);
    const total = sumTallies(pools.map(({ tally }) => tally));
    return { policy: text, total, pools, decisions, flow: poolFlow(series, rules, decisions) };
  });
}

/** What decisions that were made in whatever way are worth, pool by pool; those of each pool in order of time. */
export function poolScorer(
  trace: PoolTrace,
  rules: PoolRules,
): (decisions: readonly Omit<PoolDecision, "reason">[]) => { pool: string; tally: PoolTally }[] {
  const all = poolSeries(trace, rules).map((series) => ({ series, bounds: poolBounds(series, rules) }));
  return (decisions) => {
    const lines = Map.groupBy(decisions, ({ pool }) => pool);
    return all.map(({ series, bounds }) => ({
      pool: series.pool,
      tally: tallyLevels(series, expandLevels(series, lines.get(series.pool) ?? []), bounds),
    }));
  };
}
