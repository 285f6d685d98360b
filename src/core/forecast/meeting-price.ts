import { MetByPrice } from "./met-by-price.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** What is owed is made good within this time, and what was spared is spent. */
const repayMs = 4 * hourMs;
/** No more is spared up than the number allows in this time. */
const sparedMsMax = 8 * hourMs;
/** Spared before the first day, so that the busy hours of a day that ends quietly do not go to waste. */
const sparedAtStartMs = 0.75 * hourMs;
/** The goal stays within these multiples of the owner's number. */
const goalLeast = 0.1;
const goalMost = 2;
/** Over an hour no more is to be expected than this multiple of the goal, … */
const hourMost = 1.2;
/** … and over a few minutes than this one of the number: meetings are cheapest when they are spread. */
const rushMost = 2;
/** How meetings differ from what the hazards of the lent devices say is learned with this half-life, … */
const biasHalfLifeMs = 6 * hourMs;
/** … and so many that came as expected are believed beside what was seen. */
const believedMeetings = 30;

/**
 * Holds an owner's number of meetings per GPU-day by the price of a meeting that the plan reckons with: the lowest at which
 * the number is kept, by what was seen over a day, so that lending goes where it costs owners least; higher while the last
 * hour or the last minutes have more meetings to expect. What came otherwise than expected is owed and made good.
 */
export class MeetingPrice {
  #perGpuDayMax: number;
  readonly #day = new MetByPrice(dayMs);
  readonly #hour = new MetByPrice(hourMs);
  readonly #minutes = new MetByPrice(3 * minuteMs);
  /** Since the last call of `took`. */
  #now = new MetByPrice(dayMs);
  /** For how long the number would have to rest; negative: so much was spared. */
  #owedMs = -sparedAtStartMs;
  #met = believedMeetings;
  #expected = believedMeetings;

  constructor(perGpuDayMax: number) {
    this.#perGpuDayMax = perGpuDayMax;
  }

  /** The number from now on. What is owed, or was spared, stays so many hours of it. */
  aimAt(perGpuDayMax: number): void {
    this.#perGpuDayMax = perGpuDayMax;
  }

  /** So many returns found a guest since the last call, while `devices` were watched for `elapsedMs`. */
  took(meetings: number, devices: number, elapsedMs: number): void {
    const left = 2 ** (-elapsedMs / biasHalfLifeMs);
    this.#met = fade(this.#met, left) + meetings;
    this.#expected = fade(this.#expected, left) + this.#now.expectedAt(this.priceS);
    this.#now = new MetByPrice(dayMs);
    for (const span of [this.#day, this.#hour, this.#minutes]) span.watched(devices, elapsedMs);
    const perDayMax = this.#perGpuDayMax * devices;
    if (perDayMax === 0) return;
    this.#owedMs = Math.max(-sparedMsMax, this.#owedMs + (meetings * dayMs) / perDayMax - elapsedMs);
  }

  /** An idle device that a guest might be on, until its next reading. */
  saw(hazard: number, intervalS: number): void {
    for (const span of [this.#now, this.#day, this.#hour, this.#minutes]) span.saw(hazard, intervalS);
  }

  /** What a meeting is to cost in the plan, s; 0 where the number is kept anyway. */
  get priceS(): number {
    const goal = Math.min(goalMost, Math.max(goalLeast, 1 - this.#owedMs / repayMs));
    const unit = (this.#perGpuDayMax * this.#expected) / this.#met;
    return Math.max(
      this.#day.priceFor(goal * unit),
      this.#hour.priceFor(hourMost * goal * unit),
      this.#minutes.priceFor(rushMost * unit),
    );
  }
}

function fade(meetings: number, left: number): number {
  return believedMeetings + (meetings - believedMeetings) * left;
}
