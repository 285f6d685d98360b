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

export interface Reliability {
  readonly horizonS: number;
  readonly count: number;
  readonly said: number | null;
  readonly came: number | null;
  /** Mean of (said − came)². */
  readonly brier: number | null;
  readonly bins: readonly ReliabilityBin[];
}

/** Counts of one event's chances by what came. */
export class ReliabilityCounts {
  readonly #count = new Float64Array(binCount);
  readonly #said = new Float64Array(binCount);
  readonly #came = new Float64Array(binCount);
  #squares = 0;

  add(said: number, came: boolean): void {
    const bin = Math.min(binCount - 1, Math.floor(said * binCount));
    this.#count[bin]! += 1;
    this.#said[bin]! += said;
    this.#came[bin]! += Number(came);
    this.#squares += (said - Number(came)) ** 2;
  }

  figures(horizonS: number): Reliability {
    const count = sum(this.#count);
    const mean = (total: number, of: number) => (of === 0 ? null : total / of);
    const bins = Array.from(this.#count, (of, bin) => ({
      from: bin / binCount,
      to: (bin + 1) / binCount,
      count: of,
      said: mean(this.#said[bin]!, of),
      came: mean(this.#came[bin]!, of),
    }));
    const said = mean(sum(this.#said), count);
    return {
      horizonS,
      count,
      said,
      came: mean(sum(this.#came), count),
      brier: mean(this.#squares, count),
      bins,
    };
  }
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
