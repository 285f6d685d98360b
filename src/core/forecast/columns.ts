import { F } from "./device-history.ts";
import type { PoolHistory } from "./pool-history.ts";

const minuteMs = 60_000;
/** A step of the owner's memory that is seen while nothing computes, MiB. */
const steppedMib = 64;
const fellMib = 512;

/**
 * What the hazard of an idle device is explained by, and what is believed of each before anything is learned: log-odds
 * of a return within a minute for each unit of the column. The beliefs are rounded means of fits to the two halves of a
 * day of 77 GPUs of a production inference service (Alibaba's GenAI trace of 2026); most differ by less
 * than 0.2 between the halves, none by more than 0.4.
 */
export const columns: readonly { readonly name: string; readonly prior: number }[] = [
  { name: "one", prior: -0.4 },
  { name: "age", prior: 0 },
  { name: "quiet", prior: -0.35 },
  { name: "dropped", prior: 0.5 },
  { name: "fell", prior: 0.3 },
  { name: "rose", prior: 0 },
  { name: "steppedBefore", prior: -0.2 },
  { name: "droppedByAge", prior: 0.35 },
  { name: "movedByAge", prior: 0.35 },
  { name: "churn", prior: 0 },
  { name: "busy15", prior: 0 },
  { name: "busy60", prior: 0 },
  { name: "busy240", prior: 0 },
  { name: "returnRate15", prior: 0.15 },
  { name: "returnRate60", prior: 0.25 },
  { name: "returns15", prior: -0.7 },
  { name: "usualRun", prior: -0.1 },
  { name: "ageOverUsual", prior: 0.1 },
  { name: "lastUtil", prior: 0 },
  { name: "touched15", prior: 0.15 },
  { name: "touched60", prior: 0.1 },
  { name: "poolBusy", prior: 0.35 },
  { name: "poolBusySlow", prior: -0.25 },
  { name: "poolReturns1", prior: 0.35 },
  { name: "poolReturns3", prior: 0.1 },
  { name: "poolReturns10", prior: 0 },
  { name: "poolTouched", prior: 0.2 },
  { name: "poolBusyByAge", prior: 0 },
  { name: "poolReturnsByAge", prior: 0 },
  { name: "busyByAge", prior: 0.1 },
];

export const columnCount = columns.length;

/**
 * Fills the row of a device that was idle at its last reading, in the order of `columns`. Ages are in ln(minutes), with
 * half an interval for what is not known of them.
 */
export function fillRow(row: Float32Array, h: Float64Array, pool: PoolHistory, nowMs: number): void {
  const age = lnMinutes(nowMs - h[F.sinceMs]!, pool);
  const quietMs = nowMs - h[F.touchedMs]!;
  const quiet = lnMinutes(quietMs, pool);
  const step = h[F.stepMib]!;
  const dropped = step < -steppedMib ? 1 : 0;
  const busy = pool.busyShare;
  const busy60 = Math.sqrt(shareOf(h[F.busy60]!, h[F.known60]!, busy.now));
  const usual = orZero(h[F.lnIdleRun]!);
  const knowsUsual = Number.isNaN(h[F.lnIdleRun]!) ? 0 : 1;
  const returns10 = pool.lnReturns(2) + 2;

  let at = 0;
  const put = (value: number) => (row[at++] = value);
  put(1);
  put(age);
  put(quiet);
  put(dropped);
  put(step < -fellMib ? 1 : 0);
  put(step > steppedMib ? 1 : 0);
  put(Math.abs(h[F.stepBeforeMib]!) > steppedMib ? 1 : 0);
  put(dropped * age);
  put(quietMs === 0 ? age : 0);
  put(Math.log1p(h[F.churnMib5]! / steppedMib));
  put(Math.sqrt(shareOf(h[F.busy15]!, h[F.known15]!, busy.now)));
  put(busy60);
  put(Math.sqrt(shareOf(h[F.busy240]!, h[F.known240]!, busy.now)));
  put(lnRate(h[F.returns15]!, h[F.idleMs15]!));
  put(lnRate(h[F.returns60]!, h[F.idleMs60]!));
  put(Math.log1p(h[F.returns15]!));
  put(within(usual - 0.8 * knowsUsual, -2, 3));
  put(knowsUsual * within(age - usual, -3, 4));
  put(orZero(h[F.utilLastPct]! / 50 - 1));
  put(Math.sqrt(h[F.touched15]!));
  put(Math.sqrt(h[F.touched60]!));
  put(3 * busy.now);
  put(3 * busy.slow);
  put(pool.lnReturns(0) + 2);
  put(pool.lnReturns(1) + 2);
  put(returns10);
  put(3 * pool.touchedShare);
  put((3 * busy.now - 1) * (age - 1));
  put(returns10 * (age - 1));
  put((busy60 - 0.5) * (age - 1));
}

function lnMinutes(ms: number, pool: PoolHistory): number {
  return Math.log((ms + pool.intervalMs / 2) / minuteMs);
}

/** A fading share, drawn to that of the pool while little is known of the device. */
function shareOf(part: number, known: number, poolShare: number): number {
  return (part + 0.05 * poolShare) / (known + 0.05);
}

/** Returns per idle minute, with a tenth of a return in each 2 minutes believed in beside what was seen. */
function lnRate(returns: number, idleMs: number): number {
  return Math.log((returns + 0.05) / (idleMs / minuteMs + 0.5)) + 2;
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function orZero(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
