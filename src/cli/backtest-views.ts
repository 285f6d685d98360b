import type { DeviceBacktest, DeviceResult } from "../backtest/backtest-devices.ts";
import type { PoolResult } from "../backtest/backtest-pools.ts";
import type { TimeBuckets } from "../backtest/report/time-buckets.ts";
import type { DeviceRules, PoolRules } from "../backtest/rules.ts";
import { poolNetS, type PoolTally } from "../backtest/score/pool-tally.ts";
import { forecastLines, harvestLines } from "./backtest-charts.ts";
import type { Colors } from "./cli.ts";
import { table } from "./table.ts";

const hourS = 3_600;
const dayS = 86_400;

/** What a backtest found, as JSON and as text; docs/backtest.md says what each figure means. */

export function devicesJson({ bounds, deviceS, idleS, results }: DeviceBacktest, rules: DeviceRules) {
  return {
    shape: "devices",
    rules,
    bounds,
    overTime: { ...bucketsJson(results[0]?.harvest.buckets), idleS },
    policies: results.map(({ policy, tally, harvest, forecast }) => ({
      policy,
      netS: tally.netS,
      grossS: tally.grossS,
      runningS: tally.runningS,
      usefulS: tally.usefulS,
      shareOfNovacate: ratio(tally.netS, bounds.novacateS),
      shareOfVacate: ratio(tally.netS, bounds.vacateS),
      leases: tally.leases,
      ends: tally.ends,
      ownerPauses: tally.ownerPauses,
      meetings: tally.meetings,
      meetingsPerGuestHour: ratio(tally.meetings, tally.runningS / hourS),
      meetingsPerGpuDay: ratio(tally.meetings, deviceS / dayS),
      evictionsPerGuestHour: ratio(tally.ends.owner, tally.runningS / hourS),
      earlyReturnShare: ratio(tally.earlyReturns, tally.leases),
      wastedShare: ratio(tally.runningS - tally.usefulS, tally.runningS),
      violations: tally.violations,
      ignored: tally.ignored,
      overTime: { netS: harvest.netS, grossS: harvest.grossS },
      forecast,
    })),
  };
}

export function devicesText(paint: Colors, backtest: DeviceBacktest): string {
  const { bounds, deviceS, results } = backtest;
  const row = ({ policy, tally }: DeviceResult) => [
    policy,
    hours(tally.netS),
    hours(tally.grossS),
    share(tally.netS, bounds.novacateS),
    per(tally.meetings, tally.runningS / hourS),
    per(tally.meetings, deviceS / dayS),
    share(tally.earlyReturns, tally.leases),
    String(tally.ends.owner),
    share(tally.runningS - tally.usefulS, tally.runningS),
    String(tally.violations),
  ];
  return [
    table(paint, deviceHead, results.map(row)),
    "",
    `idle ${hours(bounds.idleS)} GPU-h; nobody nets more than ${hours(bounds.novacateS)} without leaving before the owner comes,` +
      ` nor than ${hours(bounds.vacateS)} at all`,
    ...harvestLines(
      paint,
      results.map(({ policy, harvest: { buckets, netS } }) => ({ policy, buckets, netS })),
    ),
    ...results.flatMap(({ policy, forecast }) => forecastLines(paint, policy, forecast)),
  ].join("\n");
}

const deviceHead = [
  "policy",
  "net GPU-h",
  "gross",
  "of clairvoyant",
  "meetings/guest-h",
  "meetings/GPU-day",
  "early returns",
  "evictions",
  "wasted",
  "violations",
];

export function poolsJson(results: readonly PoolResult[], rules: PoolRules) {
  const figures = (tally: PoolTally) => {
    const netS = poolNetS(tally, rules);
    return {
      netS,
      ...tally,
      shareOfBound: ratio(netS, tally.boundS),
      shareOfExact: ratio(netS, tally.exactS),
      lentShare: ratio(tally.lentS, tally.idleS),
      waitedShare: ratio(tally.waited, tally.arrivals),
      waitedS: tally.waited * rules.leadS,
      evictionsPerLentHour: ratio(tally.evictions, tally.lentS / hourS),
      shortTickShare: ratio(tally.shortTicks, tally.lentTicks),
    };
  };
  return {
    shape: "pools",
    rules,
    overTime: bucketsJson(results[0]?.flow.buckets),
    policies: results.map(({ policy, total, pools, flow: { buckets: _, ...overTime } }) => ({
      policy,
      total: figures(total),
      overTime,
      pools: pools.map(({ pool, tally }) => ({ pool, ...figures(tally) })),
    })),
  };
}

export function poolsText(paint: Colors, results: readonly PoolResult[], rules: PoolRules): string {
  const row = ({ policy, total }: PoolResult) => {
    const netS = poolNetS(total, rules);
    return [
      policy,
      hours(netS),
      hours(total.lentS),
      share(netS, total.exactS),
      share(total.lentS, total.idleS),
      share(total.waited, total.arrivals),
      per(total.evictions, total.lentS / hourS),
      share(total.shortTicks, total.lentTicks),
      String(total.evictions),
      String(total.violations),
    ];
  };
  const lines = [table(paint, poolHead, results.map(row))];
  const [first] = results;
  if (first !== undefined)
    lines.push(
      "",
      `idle ${hours(first.total.idleS)} GPU-h; nobody nets more than ${hours(first.total.exactS)} on the trace's ticks`,
      ...harvestLines(
        paint,
        results.map(({ policy, flow: { buckets, netS } }) => ({ policy, buckets, netS })),
      ),
    );
  return lines.join("\n");
}

const poolHead = [
  "policy",
  "net GPU-h",
  "lent",
  "of clairvoyant",
  "lent of idle",
  "owners waited",
  "evictions/lent-h",
  "short ticks",
  "evictions",
  "violations",
];

function bucketsJson(buckets: TimeBuckets | undefined) {
  return { beginS: buckets?.beginS, bucketS: buckets?.widthS };
}

/** null where there is nothing to divide by. */
function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function hours(seconds: number): string {
  return (seconds / hourS).toFixed(1);
}

function share(part: number, whole: number): string {
  const value = ratio(part, whole);
  return value === null ? "–" : `${(100 * value).toFixed(1)} %`;
}

function per(count: number, whole: number): string {
  const value = ratio(count, whole);
  return value === null ? "–" : value.toFixed(2);
}
