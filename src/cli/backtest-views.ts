import type { DeviceBacktest } from "../backtest/backtest-devices.ts";
import type { PoolResult } from "../backtest/backtest-pools.ts";
import { guestTable } from "../backtest/report/guest-table.ts";
import { deviceFigures, hours, poolFigures, ratio } from "../backtest/report/policy-tables.ts";
import type { TimeBuckets } from "../backtest/report/time-buckets.ts";
import type { DeviceRules, PoolRules } from "../backtest/rules.ts";
import { poolNetS, type PoolTally } from "../backtest/score/pool-tally.ts";
import { telemetryLine } from "./backtest-notes.ts";
import { forecastLines, harvestLines } from "./backtest-charts.ts";
import { queueLine, type QueueOrigin } from "./backtest-queue.ts";
import type { Colors } from "./cli.ts";
import { table } from "./table.ts";

const hourS = 3_600;
const dayS = 86_400;

/** What a backtest found, as JSON and as text; docs/backtest.md says what each figure means. */

export function devicesJson(
  { telemetry, bounds, deviceS, idleS, results }: DeviceBacktest,
  rules: DeviceRules,
  queue: QueueOrigin | null,
) {
  return {
    shape: "devices",
    rules,
    queue,
    telemetry,
    bounds,
    overTime: { ...bucketsJson(results[0]?.harvest.buckets), idleS },
    policies: results.map(({ policy, order, guests, tally, harvest, forecast }) => ({
      policy,
      order,
      guests,
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

export function devicesText(paint: Colors, backtest: DeviceBacktest, queue: QueueOrigin | null): string {
  const { telemetry, bounds, results } = backtest;
  const { head, rows } = deviceFigures(backtest);
  const harvests = results.map(({ name, harvest: { buckets, netS } }) => ({ policy: name, buckets, netS }));
  const guests = guestTable(backtest);
  return [
    table(paint, head, rows),
    ...(guests === null || queue === null
      ? []
      : ["", table(paint, guests.head, guests.rows), queueLine(queue)]),
    "",
    `idle ${hours(bounds.idleS)} GPU-h; nobody nets more than ${hours(bounds.novacateS)} without leaving before the owner comes,` +
      ` nor than ${hours(bounds.vacateS)} at all`,
    telemetryLine(telemetry),
    ...harvestLines(paint, harvests),
    ...results.flatMap(({ policy, forecast }) => forecastLines(paint, policy, forecast)),
  ].join("\n");
}

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
  const tallies = results.map(({ policy, total }) => ({ name: policy, tally: total }));
  const { head, rows } = poolFigures("policy", tallies, rules);
  const lines = [table(paint, head, rows)];
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

function bucketsJson(buckets: TimeBuckets | undefined) {
  return { beginS: buckets?.beginS, bucketS: buckets?.widthS };
}
