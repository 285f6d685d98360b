import { candidatePrices, countMeetings, Shadow, type Limit } from "./shadow.ts";

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
  }

  /** What the tick showed of one pool: GPUs idle now, GPUs that arrived, and of those lent how many were taken. */
  settle(shadow: Shadow, idle: number, rise: number, evicted: number): void {
    const { counts, max } = this.#limit;
    const arrived = counts === "waited" ? rise : 1;
    this.#arrived += (arrived + shadow.expectedArrivals) / 2;
    for (let index = 0; index < this.#met.length; index++)
      this.#met[index]! += (shadow.meetings(index, idle, rise) + shadow.expectedMeetings[index]!) / 2;
    this.#debt += countMeetings(counts, evicted, rise) - max * arrived;
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
    return Math.max((this.#arrived * Math.LN2 * REPAY_S) / HALF_LIFE_S, REPAY_MEETINGS / this.#limit.max);
  }

  #share(index: number): number {
    return this.#arrived > 0 ? this.#met[index]! / this.#arrived : 1;
  }
}
