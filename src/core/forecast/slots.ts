/** A fixed number of values for each of many things, in one array: what would be a few hundred bytes an object otherwise. */
export class Slots<A extends Float64Array | Float32Array> {
  readonly width: number;
  #values: A;
  readonly #make: new (length: number) => A;

  constructor(make: new (length: number) => A, width: number) {
    this.#make = make;
    this.width = width;
    this.#values = new make(width * 16);
  }

  /** The values of a slot; good until the next call of `clear`. */
  of(slot: number): A {
    return this.#values.subarray(slot * this.width, (slot + 1) * this.width) as A;
  }

  /** Makes room for a slot and sets its values to 0. */
  clear(slot: number): void {
    if ((slot + 1) * this.width > this.#values.length) {
      const values = new this.#make(2 * (slot + 1) * this.width);
      values.set(this.#values);
      this.#values = values;
    }
    this.of(slot).fill(0);
  }
}
