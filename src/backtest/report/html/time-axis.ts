import type { TimeBuckets } from "../time-buckets.ts";

const hourS = 3_600;
const dayS = 86_400;

export interface TimeAxis {
  /** The middle of each bucket. */
  readonly x: number[];
  /** From one to the next. */
  readonly step: number;
  readonly name: string;
}

/** In hours or days of the trace, whichever reads better. */
export function timeAxis({ beginS, widthS, count }: TimeBuckets): TimeAxis {
  const inDays = count * widthS > 4 * dayS;
  const unitS = inDays ? dayS : hourS;
  return {
    x: Array.from({ length: count }, (_, bucket) => (beginS + (bucket + 0.5) * widthS) / unitS),
    step: widthS / unitS,
    name: `time of the trace, ${inDays ? "days" : "h"}`,
  };
}
