import { Decay } from "./decay.ts";

const minuteMs = 60_000;
/** Over how long returns are held against what was expected. */
const halfLifeMs = 3 * minuteMs;
/** How far they usually stray is learned with this half-life. */
const strayHalfLifeMs = 12 * 60 * minuteMs;
/** No moment counts for more than this many times the usual: a rush is not to be its own yardstick. */
const strayMost = 9;
/** A rush begins where returns are so many standard deviations above what was expected, and lasts until they are not even these. */
const rushBegins = 4;
const rushEnds = 2;

/**
 * Whether far more owners of a pool come back than the forecast expected of them. Returns come together, so that they stray
 * further than if each device were alone: the deviation is Poisson's, times what was learned of that. O(1) a reading.
 */
export class ReturnSurprise {
  #excess = 0;
  #variance = 0;
  /** Mean square of the deviation; 1 if chance alone were at work. */
  #stray = 1;
  #isRush = false;
  readonly #decay = new Decay([halfLifeMs, strayHalfLifeMs]);
  #atMs = -Infinity;

  /** What became of an idle device whose owner was to be back by now with the chance `hazard`. */
  took(returned: boolean, hazard: number, atMs: number): void {
    if (atMs > this.#atMs) this.#passTo(atMs);
    this.#excess += (returned ? 1 : 0) - hazard;
    this.#variance += hazard * (1 - hazard);
  }

  isRush(nowMs: number): boolean {
    if (nowMs > this.#atMs) this.#passTo(nowMs);
    const deviation = this.#deviation / Math.sqrt(this.#stray);
    this.#isRush = deviation > (this.#isRush ? rushEnds : rushBegins);
    return this.#isRush;
  }

  /** One return more than were expected is believed beside them: a few devices prove little. */
  get #deviation(): number {
    return this.#excess / Math.sqrt(this.#variance + 1);
  }

  #passTo(atMs: number): void {
    const [left, usual] = this.#decay.after(atMs - this.#atMs) as unknown as [number, number];
    const seen = Math.min(strayMost * this.#stray, this.#deviation ** 2);
    this.#stray = Math.max(1, usual * this.#stray + (1 - usual) * seen);
    this.#excess *= left;
    this.#variance *= left ** 2;
    this.#atMs = atMs;
  }
}
