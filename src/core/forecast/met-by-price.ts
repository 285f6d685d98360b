const dayMs = 86_400_000;
/** Prices that are told apart, s: from the least on, each so much higher in its logarithm than the one before. */
const leastPriceS = 10;
const logStep = 0.1;
const priceCount = 100;

/**
 * The meetings to be expected at each price of a meeting, per GPU-day watched; both fade. A device is lent up to the price
 * at which the interval until its next reading no longer earns what it risks. O(1) a device.
 */
export class MetByPrice {
  readonly #halfLifeMs: number;
  /** Of the devices that are lent up to this price and no higher. */
  readonly #expected = new Float64Array(priceCount);
  #gpuDays = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  watched(devices: number, elapsedMs: number): void {
    const left = 2 ** (-elapsedMs / this.#halfLifeMs);
    for (let i = 0; i < priceCount; i++) this.#expected[i]! *= left;
    this.#gpuDays = this.#gpuDays * left + (devices * elapsedMs) / dayMs;
  }

  saw(hazard: number, intervalS: number): void {
    const place = Math.floor(placeOf(intervalS / hazard));
    this.#expected[Math.min(priceCount - 1, Math.max(0, place))]! += hazard;
  }

  /** All that was to be expected at a price, s, as far as it has not faded. */
  expectedAt(priceS: number): number {
    const place = Math.max(0, placeOf(priceS));
    let sum = 0;
    for (let i = Math.floor(place); i < priceCount; i++)
      sum += this.#expected[i]! * Math.min(1, i + 1 - place);
    return sum;
  }

  /** The lowest price, s, at which no more than so many a GPU-day are to be expected; 0: all devices may be lent. */
  priceFor(perGpuDay: number): number {
    let left = perGpuDay * this.#gpuDays;
    let i = priceCount - 1;
    while (i >= 0 && this.#expected[i]! <= left) left -= this.#expected[i--]!;
    return i < 0 ? 0 : leastPriceS * Math.exp(logStep * (i + 1 - left / this.#expected[i]!));
  }
}

function placeOf(priceS: number): number {
  return Math.log(priceS / leastPriceS) / logStep;
}
