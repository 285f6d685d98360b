const binCount = 10;

/** What was said with about one chance, and what came of it. */
export interface ReliabilityBin {
  /** The chances that belong to it, 0–1. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Mean of what was said, and the share that came; null: nothing was said. */
  readonly said: number | null;
  readonly came: number | null;
}

/** Counts of one event's chances by what came, in tenths of what was said. */
export class ReliabilityBins {
  readonly #count = new Float64Array(binCount);
  readonly #said = new Float64Array(binCount);
  readonly #came = new Float64Array(binCount);

  add(said: number, came: boolean): void {
    const bin = Math.min(binCount - 1, Math.floor(said * binCount));
    this.#count[bin]! += 1;
    this.#said[bin]! += said;
    this.#came[bin]! += Number(came);
  }

  figures(): ReliabilityBin[] {
    const mean = (total: number, of: number) => (of === 0 ? null : total / of);
    return Array.from(this.#count, (of, bin) => ({
      from: bin / binCount,
      to: (bin + 1) / binCount,
      count: of,
      said: mean(this.#said[bin]!, of),
      came: mean(this.#came[bin]!, of),
    }));
  }
}
