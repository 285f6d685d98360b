/** A pool's demand over the last while: mean, deviation and quantiles of what was seen, each sample counting once. */
export class DemandWindow {
  readonly #spanS: number;
  readonly #timesS: number[] = [];
  readonly #values: number[] = [];
  readonly #sorted: number[] = [];
  #first = 0;
  #sum = 0;
  #sumOfSquares = 0;

  constructor(spanS: number) {
    this.#spanS = spanS;
  }

  get count(): number {
    return this.#sorted.length;
  }

  /** From the oldest sample that is kept to the newest, s. */
  get coveredS(): number {
    return this.count === 0 ? 0 : this.#timesS.at(-1)! - this.#timesS[this.#first]!;
  }

  get mean(): number {
    return this.#sum / this.count;
  }

  /** Of the population, not of a sample. */
  get deviation(): number {
    return Math.sqrt(Math.max(0, this.#sumOfSquares / this.count - this.mean ** 2));
  }

  /** The least value that a share of the samples does not exceed. */
  quantile(share: number): number {
    return this.#sorted[Math.max(0, Math.ceil(share * this.count) - 1)]!;
  }

  add(timeS: number, value: number): void {
    this.#timesS.push(timeS);
    this.#values.push(value);
    this.#sorted.splice(this.#place(value), 0, value);
    this.#sum += value;
    this.#sumOfSquares += value ** 2;
    while (this.#timesS[this.#first]! <= timeS - this.#spanS) this.#drop(this.#values[this.#first++]!);
    if (this.#first < this.count) return;
    this.#timesS.splice(0, this.#first);
    this.#values.splice(0, this.#first);
    this.#first = 0;
  }

  #drop(value: number): void {
    this.#sorted.splice(this.#place(value), 1);
    this.#sum -= value;
    this.#sumOfSquares -= value ** 2;
  }

  /** Of the first value that is not less. */
  #place(value: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
