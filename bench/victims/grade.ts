import { costOf } from "../../src/core/eviction-cost.ts";
import { greedyWays } from "../../src/core/victims-greedy.ts";
import { chooseVictims } from "../../src/core/victims.ts";
import type { Instance } from "../../test/support/victims/instances.ts";
import { leastCostMs } from "../../test/support/victims/judge.ts";
import { quantile } from "../harness/statistics.ts";
import { lyra, newestFirst, oldestFirst, type VictimRule } from "./rules.ts";

const rules: Readonly<Record<string, VictimRule>> = { newestFirst, oldestFirst, lyra };

/**
 * What our victims and those of the peers' rules cost, over the exact least. Instances where free devices are enough cost nothing
 * and grade nobody: they are left out, unless somebody paid for them.
 */
export function grade(family: string, instances: Iterable<Instance>): Record<string, number> {
  const ratios: Record<string, number[]> = {};
  let graded = 0;
  for (const { devices, count } of instances) {
    const leastMs = leastCostMs(devices, count);
    const costsMs = {
      ours: chooseVictims(devices, count).costMs,
      ...Object.fromEntries(
        Object.entries(rules).map(([name, rule]) => [name, costOf(rule(devices, count))]),
      ),
    };
    if (leastMs === 0 && costsMs.ours === 0) continue;
    graded++;
    for (const [name, costMs] of Object.entries(costsMs)) (ratios[name] ??= []).push(costMs / leastMs);
  }
  const { ours = [], ...peers } = ratios;
  return {
    [`${family} graded`]: graded,
    [`${family} costOverExactMean`]: mean(ours),
    [`${family} costOverExactP99`]: quantile(ours, 0.99),
    [`${family} costOverExactWorst`]: quantile(ours, 1),
    ...Object.fromEntries(
      Object.entries(peers).flatMap(([name, its]) => [
        [`${family} ${name}OverExactMean`, mean(its)],
        [`${family} ${name}OverExactMedian`, quantile(its, 0.5)],
      ]),
    ),
  };
}

/** What the greedy way costs over the exact least, in which clusters too large to try all choices are freed. */
export function gradeGreedy(instances: Iterable<Instance>): Record<string, number> {
  const ratios: number[] = [];
  for (const { devices, count } of instances) {
    const way = greedyWays(devices).find(({ freed }) => freed >= count)!;
    ratios.push(way.costMs / leastCostMs(devices, count));
  }
  return {
    "tangles greedyOverExactMean": mean(ratios),
    "tangles greedyOverExactP99": quantile(ratios, 0.99),
    "tangles greedyOverExactWorst": quantile(ratios, 1),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
