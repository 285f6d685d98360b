const minuteS = 60;
const hourS = 3_600;
const dayS = 86_400;
const widthsS = [
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * minuteS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * hourS),
  ...[1, 2, 7, 14, 28].map((days) => days * dayS),
];

/** A stretch of time cut into at most so many equal parts, each as long as people count time. */
export class TimeBuckets {
  readonly beginS: number;
  readonly endS: number;
  readonly widthS: number;
  readonly count: number;
  readonly #fromS: number;

  constructor(fromS: number, toS: number, countMax: number) {
    this.#fromS = fromS;
    this.endS = Math.max(toS, fromS + 1);
    const spanS = this.endS - fromS;
    // One more than what is covered: the first bucket begins at a multiple of the width.
    const fits = (widthS: number) => spanS / widthS <= countMax - 1;
    this.widthS = widthsS.find(fits) ?? Math.ceil(spanS / (countMax - 1) / dayS) * dayS;
    this.beginS = Math.floor(fromS / this.widthS) * this.widthS;
    this.count = Math.ceil((this.endS - this.beginS) / this.widthS);
  }

  /** What lies outside counts to the nearest. */
  indexOf(timeS: number): number {
    const index = Math.floor((timeS - this.beginS) / this.widthS);
    return Math.min(this.count - 1, Math.max(0, index));
  }

  /** The seconds of each bucket that lie within a stretch. */
  spread(fromS: number, toS: number, add: (bucket: number, seconds: number) => void): void {
    for (let bucket = this.indexOf(fromS), atS = fromS; atS < toS; bucket++) {
      const endS = bucket === this.count - 1 ? toS : Math.min(toS, this.beginS + (bucket + 1) * this.widthS);
      add(bucket, endS - atS);
      atS = endS;
    }
  }

  /** Amounts of each bucket over its time: less of it in the first and the last, which may stick out of what is covered. */
  perSecond(amounts: readonly number[]): number[] {
    return amounts.map((amount, bucket) => {
      const beginS = this.beginS + bucket * this.widthS;
      return amount / (Math.min(this.endS, beginS + this.widthS) - Math.max(this.#fromS, beginS));
    });
  }

  zeros(): number[] {
    return Array.from({ length: this.count }, () => 0);
  }
}
