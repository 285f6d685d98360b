import { candidatePrices, countMeetings, Shadow, type Limit } from "./shadow.ts";
import { Turnover } from "./turnover.ts";

const DAY_S = 86_400;
/** How far back the candidates are compared. */
const HALF_LIFE_S = 2 * DAY_S;
/** What was met above or below the limit is made good over so much of the usual arrivals. Shorter costs harvest, longer holds the limit late. */
const REPAY_S = 4 * DAY_S;
/** … but over no fewer than would meet so many at the limit: one burst is no trend. */
const REPAY_MEETINGS = 10;
/** The limit is aimed at within these factors, whatever is to be made good. */
const AIM_MIN = 0.25;
const AIM_MAX = 3;

/** What a tick showed of one pool, GPUs. */
export interface Shown {
  readonly idle: number;
  /** Of demand. */
  readonly rise: number;
  /** Still, and of those lent before how many were taken. */
  readonly lent: number;
  readonly evicted: number;
  /** By owners, lent or not; null: known by the rise alone. */
  readonly taken: number | null;
}

/**
 * Holds an owner's limit: finds the price of a meeting at which the lending rule keeps it. Whatever is lent, demand is the same,
 * so that what every candidate price would have met is known after each tick (half realised, half as forecast, which is less
 * noisy); feedback on what was really met, as an account of debt, takes out what is left. One price for all of an owner's
 * pools: an owner's meetings are then spent where they lend most.
 */
export class Steering {
  #limit: Limit;
  readonly #met = new Float64Array(candidatePrices.length);
  #arrived = 0;
  readonly #turnover = new Turnover();
  #debt = 0;

  constructor(limit: Limit) {
    this.#limit = limit;
  }

  /** From now on, another share of the same count. */
  aimAt(max: number): void {
    this.#limit = { ...this.#limit, max };
    this.#debt = 0;
  }

  newShadow(): Shadow {
    return new Shadow(this.#limit);
  }

  forget(passedS: number): void {
    const keep = 0.5 ** (passedS / HALF_LIFE_S);
    for (let index = 0; index < this.#met.length; index++) this.#met[index]! *= keep;
    this.#arrived *= keep;
    this.#turnover.forget(keep);
  }

  settle(shadow: Shadow, { idle, rise, lent, evicted, taken }: Shown): void {
    const { counts, max } = this.#limit;
    const waited = counts === "waited";
    const arrived = waited ? (taken ?? rise) : 1;
    const met = countMeetings(counts, evicted, taken === null ? rise : evicted);
    const metByCounts = countMeetings(counts, Math.max(0, lent + evicted - idle), rise);
    this.#turnover.observe({ rise: waited ? rise : 1, metByCounts, taken: arrived, met });
    this.#arrived += ((waited ? rise : 1) + shadow.expectedArrivals) / 2;
    for (let index = 0; index < this.#met.length; index++)
      this.#met[index]! += (shadow.meetings(index, idle, rise) + shadow.expectedMeetings[index]!) / 2;
    this.#debt += met - max * arrived;
    // what was not used up does not pile up: a later rush may not spend it all
    this.#debt = Math.max(this.#debt, -(AIM_MAX - 1) * max * this.#repayArrivals);
  }

  /** The price of a meeting, in what a GPU earns in a step. */
  get price(): number {
    const { max } = this.#limit;
    const aim = Math.min(AIM_MAX * max, Math.max(AIM_MIN * max, max - this.#debt / this.#repayArrivals));
    let above = candidatePrices.length - 1;
    while (above > 0 && this.#share(above - 1) <= aim) above--;
    if (above === 0) return candidatePrices[0]!;
    const [more, less] = [this.#share(above - 1), this.#share(above)];
    const part = Math.min(1, Math.max(0, (more - aim) / (more - less)));
    return candidatePrices[above - 1]! ** (1 - part) * candidatePrices[above]! ** part;
  }

  get #repayArrivals(): number {
    const arrived = this.#arrived * this.#turnover.takenPerRise;
    return Math.max((arrived * Math.LN2 * REPAY_S) / HALF_LIFE_S, REPAY_MEETINGS / this.#limit.max);
  }

  #share(index: number): number {
    return this.#arrived > 0 ? (this.#met[index]! / this.#arrived) * this.#turnover.metPerCounted : 1;
  }
}
