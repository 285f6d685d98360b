/** Slots in one chunk: memory grows by it, and nothing is copied. */
const chunkSlots = 1_024;

/** A fixed number of values for each of many things, in a few arrays: as objects they would take several times the memory. */
export class Slots<A extends Float64Array | Float32Array> {
  readonly #make: new (length: number) => A;
  readonly #width: number;
  readonly #chunks: A[] = [];

  constructor(make: new (length: number) => A, width: number) {
    this.#make = make;
    this.#width = width;
  }

  /** The values of a slot that was cleared once. */
  of(slot: number): A {
    const at = this.begin(slot);
    return this.chunk(slot).subarray(at, at + this.#width) as A;
  }

  /** The array in which they lie, from `begin` on: for loops in which a view each would cost more than the work. */
  chunk(slot: number): A {
    return this.#chunks[Math.floor(slot / chunkSlots)]!;
  }

  begin(slot: number): number {
    return (slot % chunkSlots) * this.#width;
  }

  /** Sets the values of a slot to 0; slots are taken into use one after the other. */
  clear(slot: number): void {
    if (slot === this.#chunks.length * chunkSlots)
      this.#chunks.push(new this.#make(chunkSlots * this.#width));
    this.of(slot).fill(0);
  }
}
