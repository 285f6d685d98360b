import type { TimeBuckets } from "../time-buckets.ts";

const hourS = 3_600;
const dayS = 86_400;

/** The middle of each bucket in hours or days of the trace, whichever reads better, and the axis' name. */
export function timeAxis({ beginS, widthS, count }: TimeBuckets): { x: number[]; name: string } {
  const inDays = count * widthS > 4 * dayS;
  const unitS = inDays ? dayS : hourS;
  return {
    x: Array.from({ length: count }, (_, bucket) => (beginS + (bucket + 0.5) * widthS) / unitS),
    name: `time of the trace, ${inDays ? "days" : "h"}`,
  };
}
