const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Prices that are weighed, s: from the least on, each so much higher in its logarithm than the one before. */
const leastPriceS = 10;
const logStep = 0.2;
const priceCount = 50;
/** What was seen counts half after this time: a price that holds for a day lends where it costs owners least. */
const halfLifeMs = dayMs;
/** What is owed, or was spared, is made good within this time. */
const repayMs = 6 * hourMs;
/** While it is, the goal stays within these multiples of the owner's number. */
const goalLeast = 0.1;
const goalMost = 2;

/**
 * Holds an owner's number of meetings per GPU-day by the price of a meeting that the plan reckons with. For each of many
 * prices it follows how many meetings guests would have on the devices that are worth lending at it, and takes the lowest
 * that keeps the number; what came otherwise than expected is owed and made good.
 */
export class MeetingPrice {
  readonly #perGpuDayMax: number;
  /** Meetings expected on the devices that are lent at each price, per GPU-day watched; both fade. */
  readonly #expected = new Float64Array(priceCount);
  #gpuDays = 0;
  #owed = 0;
  /** Devices watched in the last step. */
  #devices = 0;

  constructor(perGpuDayMax: number) {
    this.#perGpuDayMax = perGpuDayMax;
  }

  /** So many returns found a guest since the last call, while `devices` were watched for `elapsedMs`. */
  took(meetings: number, devices: number, elapsedMs: number): void {
    const left = 2 ** (-elapsedMs / halfLifeMs);
    for (let i = 0; i < priceCount; i++) this.#expected[i]! *= left;
    const gpuDays = (devices * elapsedMs) / dayMs;
    this.#gpuDays = this.#gpuDays * left + gpuDays;
    this.#devices = devices;
    const most = (this.#perGpuDayMax * (devices * repayMs)) / dayMs;
    this.#owed = Math.max(-most, this.#owed + meetings - this.#perGpuDayMax * gpuDays);
  }

  /** An idle device that a guest might be on, until its next reading. */
  saw(hazard: number, intervalS: number): void {
    const dearest = Math.log(intervalS / (hazard * leastPriceS)) / logStep;
    for (let i = 0; i < priceCount && i <= dearest; i++) this.#expected[i]! += hazard;
  }

  /** What a meeting is to cost in the plan, s; 0 where the number is kept anyway. */
  get priceS(): number {
    const repay = (this.#owed * dayMs) / (Math.max(1, this.#devices) * repayMs);
    const max = this.#perGpuDayMax;
    const goal = Math.min(max * goalMost, Math.max(max * goalLeast, max - repay));
    const allowed = goal * this.#gpuDays;
    let lowest = 0;
    while (lowest < priceCount - 1 && this.#expected[lowest]! > allowed) lowest++;
    return lowest === 0 ? 0 : leastPriceS * Math.exp(logStep * lowest);
  }
}
