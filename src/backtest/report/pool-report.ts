import type { PoolResult } from "../backtest-pools.ts";
import type { PolicyContext } from "../policy.ts";
import type { PoolRules } from "../rules.ts";
import type { PoolTrace } from "../trace/pool-trace.ts";
import { figure, type ChartWithTable } from "./html/figure.ts";
import { harvestCharts } from "./html/harvest-charts.ts";
import type { Html } from "./html/html.ts";
import { lineChart } from "./html/line-chart.ts";
import { page } from "./html/page.ts";
import { figuresTable, tableSection } from "./html/tables.ts";
import { timeAxis } from "./html/time-axis.ts";
import type { Origin } from "./origin.ts";
import { hours, poolFigures } from "./policy-tables.ts";

const poolRowsMax = 500;

/** A backtest of pools as one HTML file; pool by pool it shows the first policy. */
export function poolReport(
  trace: PoolTrace,
  { rules, waitedShareMax, seed }: PolicyContext<PoolRules>,
  results: readonly PoolResult[],
  origin: Origin,
): string {
  const [first] = results;
  const spanS = trace.timesS.at(-1)! - trace.timesS[0]!;
  return page({
    origin,
    summary: `Pools: ${trace.pools.length}; lines: ${trace.pool.length}; hours: ${hours(spanS)}.`,
    rules: { ...rules, waitedShareMax, seed },
    body: [
      tableSection(
        "Policies",
        figuresTable(
          poolFigures(
            "policy",
            results.map(({ policy, total }) => ({ name: policy, tally: total })),
            rules,
          ),
        ),
      ),
      ...(first === undefined
        ? []
        : [boundsSection(first), ...charts(first, results).map(figure), poolsSection(first, rules)]),
    ],
  });
}

function charts(
  { flow: { buckets, demandS, idleS } }: PoolResult,
  results: readonly PoolResult[],
): ChartWithTable[] {
  const { x, name } = timeAxis(buckets);
  const known = buckets.zeros().map((_, bucket) => demandS[bucket]! + idleS[bucket]! > 0);
  const gpus = (seconds: readonly number[]) =>
    buckets.perSecond(seconds).map((value, bucket) => (known[bucket] ? value : null));
  return [
    lineChart({
      title: "Demand, idle and lent",
      text: "GPUs of all pools, the mean of each stretch of time; those of which nothing is known are left out.",
      names: { x: name, y: "GPUs" },
      x,
      lines: [
        ...results.map(({ policy, flow }, tone) => ({
          name: `lent: ${policy}`,
          tone,
          values: gpus(flow.lentS),
        })),
        { name: "idle", tone: 6, dashed: true, values: gpus(idleS) },
        { name: "owners' demand", tone: 6, values: gpus(demandS) },
      ],
    }),
    ...harvestCharts(
      buckets,
      idleS,
      results.map(({ policy, flow: { netS } }) => ({ policy, netS })),
    ),
    lineChart({
      title: "Owners who waited",
      text: "Share of the GPUs that owners newly asked for that met a lent one.",
      names: { x: name, y: "waited, %" },
      x,
      lines: results.map(({ policy, flow }, tone) => ({
        name: policy,
        tone,
        values: flow.arrivals.map((came, bucket) =>
          came === 0 ? null : (100 * flow.waited[bucket]!) / came,
        ),
      })),
    }),
  ];
}

function boundsSection({ total }: PoolResult): Html {
  const rows = [
    ["all idle time", hours(total.idleS)],
    ["the sum of the levels' best (bound)", hours(total.boundS)],
    ["the best on the trace's ticks (exact)", hours(total.exactS)],
  ];
  return tableSection("What nobody exceeds", figuresTable({ head: ["bound", "GPU-h"], rows }));
}

function poolsSection({ policy, pools }: PoolResult, rules: PoolRules): Html {
  const left = pools.length - poolRowsMax;
  const title = `Pools, lent by ${policy}${left > 0 ? ` (the first ${poolRowsMax}; ${left} more)` : ""}`;
  const shown = pools.slice(0, poolRowsMax).map(({ pool, tally }) => ({ name: pool, tally }));
  return tableSection(title, figuresTable(poolFigures("pool", shown, rules)));
}
