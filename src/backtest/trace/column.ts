type Numbers = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** A column of numbers that grows, without an object for each. */
export class Column<T extends Numbers> {
  readonly #make: new (length: number) => T;
  #values: T;
  #length = 0;

  constructor(make: new (length: number) => T) {
    this.#make = make;
    this.#values = new make(1_024);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new this.#make(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  /** What was pushed, in a view without a copy. */
  values(): T {
    return this.#values.subarray(0, this.#length) as T;
  }
}
