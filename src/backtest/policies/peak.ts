import type { MakePoolPolicy, PoolAction, PoolMoment, PoolPolicy } from "../policy.ts";
import { numberArgument } from "./argument.ts";
import { DemandWindow } from "./demand-window.ts";

const historyS = 24 * 3_600;
/** Nothing is lent before so much was seen. */
const warmUpS = 3_600;
const warmUpSamples = 6;
const sigmasDefault = 5;
const peakQuantile = 0.99;

/** Lends what the predicted peak of the pool's demand leaves, as long as it is idle. */
class PeakPolicy implements PoolPolicy {
  readonly #peak: (seen: DemandWindow) => number;
  readonly #windows = new Map<string, DemandWindow>();

  constructor(peak: (seen: DemandWindow) => number) {
    this.#peak = peak;
  }

  *decide({ timeS, samples }: PoolMoment): Iterable<PoolAction> {
    for (const { pool, gpusTotal, demand, idle } of samples) {
      const seen = this.#windowOf(pool);
      seen.add(timeS, demand);
      if (seen.count < warmUpSamples || seen.coveredS < warmUpS) yield { pool, lent: 0, reason: "warm_up" };
      else {
        const spare = Math.max(0, Math.floor(gpusTotal - this.#peak(seen)));
        yield { pool, lent: Math.min(idle, spare), reason: "peak_predicted" };
      }
    }
  }

  #windowOf(pool: string): DemandWindow {
    const known = this.#windows.get(pool);
    if (known !== undefined) return known;
    const window = new DemandWindow(historyS);
    this.#windows.set(pool, window);
    return window;
  }
}

function nSigmaPeak(sigmas: number) {
  return (seen: DemandWindow) => seen.mean + sigmas * seen.deviation;
}

/** N-sigma of Bashir et al., "Take it to the limit" (EuroSys '21), on a pool's demand: mean + N·σ of the last 24 hours. */
export const nSigma: MakePoolPolicy = (argument) =>
  new PeakPolicy(nSigmaPeak(numberArgument(argument, "nsigma", 2)));

/**
 * The max predictor of the same paper: the larger of N-sigma (5 unless told) and the 99th percentile of usage. There the percentiles are each task's
 * own and summed up; a trace of pools has the sum only.
 */
export const maxPeak: MakePoolPolicy = (argument) => {
  const sigmas = nSigmaPeak(
    argument === null ? sigmasDefault : numberArgument(argument, "max-peak", sigmasDefault),
  );
  return new PeakPolicy((seen) => Math.max(sigmas(seen), seen.quantile(peakQuantile)));
};
