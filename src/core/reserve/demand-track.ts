const DAY_S = 86_400;
const RISES_TICKS = 60;
/** Ticks: longer ago than anything that matters. */
const NEVER = 100_000;

/** What has been seen of a pool's demand, in GPUs and ticks. */
export class DemandTrack {
  demand = 0;
  /** Against the tick before. */
  change = 0;
  sinceRise = NEVER;
  sinceFall = NEVER;
  lastRise = 0;
  /** Rises of late, forgotten over an hour's worth of minutes. */
  rises = 0;
  /** The largest rise, fading over a day, and ever. */
  riseMaxDay = 0;
  riseMax = 0;
  /** The usual size of a change; the mean demand of a day. */
  changeScale = 1;
  meanDay = 0;
  #ticks = 0;

  observe(demand: number, afterGap: boolean, stepS: number): void {
    const day = 1 / Math.max(24, DAY_S / stepS);
    const sofar = 1 / (this.#ticks + 1);
    if (afterGap) this.#forgetRecent();
    else this.#follow(demand - this.demand, day, Math.max(day / 3, sofar));
    this.demand = demand;
    this.meanDay += (demand - this.meanDay) * Math.max(day, sofar);
    this.#ticks++;
  }

  #follow(change: number, day: number, scaleRate: number): void {
    this.change = change;
    this.rises *= 1 - 1 / RISES_TICKS;
    this.riseMaxDay *= 1 - day;
    this.changeScale += (Math.abs(change) - this.changeScale) * scaleRate;
    this.sinceFall = change < 0 ? 0 : Math.min(NEVER, this.sinceFall + 1);
    this.sinceRise = change > 0 ? 0 : Math.min(NEVER, this.sinceRise + 1);
    if (change <= 0) return;
    this.lastRise = change;
    this.rises++;
    this.riseMaxDay = Math.max(this.riseMaxDay, change);
    this.riseMax = Math.max(this.riseMax, change);
  }

  #forgetRecent(): void {
    this.sinceRise = NEVER;
    this.sinceFall = NEVER;
    this.change = 0;
    this.lastRise = 0;
  }
}
