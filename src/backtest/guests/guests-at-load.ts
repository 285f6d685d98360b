import type { IdleRun } from "../score/idle-runs.ts";
import { seeded } from "../seeded.ts";
import { Column } from "../trace/column.ts";
import type { Guests } from "./guests.ts";

/** Guests' work is log-normal: half of them have at most this much, s, and the logarithm deviates so much; the mean is 1,484 s. */
export const medianS = 900;
export const sigma = 1;
const meanS = medianS * Math.exp(sigma ** 2 / 2);

/**
 * Guests whose work is, in the mean, this share of the idle GPU time of `runs`. They come by a Poisson process on the clock of that
 * idle time: with a rate that goes with how much is idle just then. So the load is the same at any hour, and who comes up to a time hangs on
 * nothing after it. Durations are log-normal.
 */
export function guestsAtLoad(
  runs: readonly (readonly IdleRun[])[],
  load: number,
  checkpointS: number,
  seed: number,
): Guests {
  const submitS = new Column(Float64Array);
  const durationS = new Column(Float64Array);
  const random = seeded(seed);
  const gapS = () => (-Math.log(1 - random()) * meanS) / load;
  let idleS = 0;
  let nextS = gapS();
  for (const { fromS, toS, idle } of steps(runs)) {
    const beforeS = idleS;
    idleS += idle * (toS - fromS);
    while (nextS <= idleS) {
      submitS.push(fromS + (nextS - beforeS) / idle);
      durationS.push(medianS * Math.exp(sigma * normal(random)));
      nextS += gapS();
    }
  }
  return {
    submitS: submitS.values(),
    durationS: durationS.values(),
    checkpointS: new Float64Array(submitS.length).fill(checkpointS),
  };
}

/** How many devices idle, from one change to the next. */
function* steps(runs: readonly (readonly IdleRun[])[]) {
  const all = runs.flat();
  const begins = Float64Array.from(all, ({ beginS }) => beginS).toSorted();
  const ends = Float64Array.from(all, ({ endS }) => endS).toSorted();
  let begun = 0;
  let fromS = begins[0] ?? 0;
  for (const [ended, endS] of ends.entries()) {
    for (; begins[begun]! <= endS; begun++) {
      yield { fromS, toS: begins[begun]!, idle: begun - ended };
      fromS = begins[begun]!;
    }
    yield { fromS, toS: endS, idle: begun - ended };
    fromS = endS;
  }
}

/** Box and Muller. */
function normal(random: () => number): number {
  const length = Math.sqrt(-2 * Math.log(1 - random()));
  return length * Math.cos(2 * Math.PI * random());
}
