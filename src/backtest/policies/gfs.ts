import type { MakePoolPolicy, PoolAction, PoolMoment, PoolPolicy, PoolSample } from "../policy.ts";
import { noArgument } from "./argument.ts";
import { HourlyPeaks } from "./hourly-peaks.ts";

const hourS = 3_600;
const quotaEveryS = 300;
/** Guests are promised this share of whole windows of an hour; z is the normal quantile of it. */
const promised = 0.9;
const z = 1.2816;
/** What the feedback knows counts half after this. */
const memoryS = 24 * hourS;
const etaMin = 0.1;
const etaMax = 2;
/** The paper raises η while the queue's head waits, as it always does here, but does not say by how much. */
const raise = 1.05;

/**
 * The quota of one pool, as GFS reckons it (ASPLOS '26): η times what the forecast peak of the owner's demand leaves in the coming
 * hour, anew every 5 minutes; η shrinks where more windows fail than promised, and grows where far fewer do. GFS forecasts an organisation's hourly peaks by
 * a learned model; here their mean and deviation at the same hour of the day stand in for it.
 */
class Quota {
  readonly #peaks = new HourlyPeaks();
  #eta = 1;
  #quota = 0;
  #reckonedAtS = -Infinity;
  #fedBackAtS = NaN;
  #lastS = NaN;
  #lent = 0;
  #windows = 0;
  #failed = 0;

  next(timeS: number, { gpusTotal, demand, idle, evicted, afterGap }: PoolSample): number {
    this.#remember(timeS, evicted, afterGap);
    this.#peaks.add(timeS, demand);
    if (!(timeS - this.#fedBackAtS < hourS)) this.#feedBack(timeS);
    if (timeS - this.#reckonedAtS >= quotaEveryS) {
      const peak = this.#peaks.forecast(timeS, timeS + hourS, z);
      this.#quota = peak === null ? 0 : Math.floor(this.#eta * Math.max(0, gpusTotal - Math.floor(peak)));
      this.#reckonedAtS = timeS;
    }
    this.#lent = Math.min(idle, this.#quota);
    return this.#lent;
  }

  #remember(timeS: number, evicted: number, afterGap: boolean): void {
    const stepS = afterGap ? 0 : timeS - this.#lastS;
    const kept = 0.5 ** (stepS / memoryS);
    this.#windows = this.#windows * kept + (this.#lent * stepS) / hourS;
    this.#failed = this.#failed * kept + evicted;
    this.#lastS = timeS;
  }

  #feedBack(timeS: number): void {
    this.#fedBackAtS = timeS;
    if (this.#windows === 0) return;
    const failing = this.#failed / this.#windows;
    const allowed = 1 - promised;
    if (failing >= 1.5 * allowed) this.#eta *= allowed / failing;
    else if (failing <= 0.5 * allowed) this.#eta *= raise;
    this.#eta = Math.min(etaMax, Math.max(etaMin, this.#eta));
  }
}

class Gfs implements PoolPolicy {
  readonly #quotas = new Map<string, Quota>();

  *decide({ timeS, samples }: PoolMoment): Iterable<PoolAction> {
    for (const sample of samples) {
      const quota = this.#quotas.get(sample.pool) ?? new Quota();
      this.#quotas.set(sample.pool, quota);
      yield { pool: sample.pool, lent: quota.next(timeS, sample), reason: "quota" };
    }
  }
}

export const gfs: MakePoolPolicy = (argument) => {
  noArgument(argument, "gfs");
  return new Gfs();
};
