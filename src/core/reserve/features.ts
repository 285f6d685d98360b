import { clampInt, countBin, halfOctave, octave, ratioBin, signedBin } from "./bins.ts";
import type { PoolTrack } from "./pool-track.ts";

/** What a level is like, each as a whole number from 0 to below its size. */
export const featureSizes = {
  // the level's own
  slack: 8,
  slackToScale: 32,
  slackToScaleFine: 64,
  slackToDayMax: 12,
  slackToMax: 12,
  level: 64,
  age: 24,
  returns: 10,
  busy: 10,
  lastBusyRun: 24,
  lastIdleRun: 24,
  // its pool's
  hour: 24,
  sinceRise: 24,
  sinceRiseFine: 25,
  activity: 3,
  lastRise: 8,
  sinceFall: 8,
  rises: 8,
  fill: 16,
  trend: 13,
  deviation: 13,
} as const;

export type Feature = keyof typeof featureSizes;
export const features = Object.keys(featureSizes) as Feature[];
/** Where each feature stands in the arrays that are written below. */
export const place = Object.fromEntries(features.map((feature, index) => [feature, index])) as Record<
  Feature,
  number
>;

/** Writes the features that all levels of the pool have in common. */
export function writePoolFeatures({ demand, gpusTotal, timeS }: PoolTrack, out: Int32Array): void {
  const scale = scaleOf(demand.changeScale, gpusTotal);
  const since = clampInt(halfOctave(demand.sinceRise), 19);
  out[place.hour] = Math.floor(timeS / 3_600) % 24;
  out[place.sinceRise] = since;
  out[place.sinceRiseFine] = clampInt(demand.sinceRise, 24);
  out[place.activity] = demand.sinceRise >= 32 ? 0 : demand.sinceRise >= 6 ? 1 : 2;
  out[place.lastRise] = clampInt(octave(demand.lastRise), 7);
  out[place.sinceFall] = clampInt(octave(demand.sinceFall), 7);
  out[place.rises] = clampInt(Math.log2(1 + demand.rises * 4), 7);
  out[place.fill] = clampInt((demand.demand / gpusTotal) * 16, 15);
  out[place.trend] = signedBin(demand.change, scale);
  out[place.deviation] = signedBin(demand.demand - demand.meanDay, scale);
}

/** Writes the features of the idle level of this slack. */
export function writeLevelFeatures(
  { demand, levels, gpusTotal, idle }: PoolTrack,
  slack: number,
  out: Int32Array,
): void {
  const level = idle - slack + 1;
  const scale = scaleOf(demand.changeScale, gpusTotal);
  out[place.slack] = clampInt(octave(slack - 1), 7);
  out[place.slackToScale] = ratioBin(slack, scale, 2, 16);
  out[place.slackToScaleFine] = ratioBin(slack, scale, 4, 32);
  out[place.slackToDayMax] = ratioBin(slack, Math.max(0.5, demand.riseMaxDay), 3, 6);
  out[place.slackToMax] = ratioBin(slack, Math.max(0.5, demand.riseMax), 3, 6);
  out[place.level] = clampInt(((level - 1) * 64) / gpusTotal, 63);
  out[place.age] = clampInt(halfOctave(levels.age[level]!), 23);
  out[place.returns] = countBin(levels.returns[level]!);
  out[place.busy] = clampInt(levels.busy[level]! * 10, 9);
  out[place.lastBusyRun] = clampInt(halfOctave(levels.lastBusyRun[level]!), 23);
  out[place.lastIdleRun] = clampInt(halfOctave(levels.lastIdleRun[level]!), 23);
}

/** GPUs: against what changes are measured; a pool that hardly ever moves still has one. */
function scaleOf(changeScale: number, gpusTotal: number): number {
  return Math.max(changeScale, gpusTotal / 500);
}
