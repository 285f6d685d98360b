const hourS = 3_600;
const hoursMax = 7 * 24;
/** As many hours of a kind are needed for a deviation. */
const peaksMin = 3;

/** The highest demand of each of the last week's hours. */
export class HourlyPeaks {
  /** Whole hours, the newest last; the one under way is not among them. */
  readonly #peaks: { readonly hour: number; readonly peak: number }[] = [];
  #hour = NaN;
  #peak = 0;

  add(timeS: number, demand: number): void {
    const hour = Math.floor(timeS / hourS);
    if (hour !== this.#hour) {
      if (!Number.isNaN(this.#hour)) this.#peaks.push({ hour: this.#hour, peak: this.#peak });
      if (this.#peaks.length > hoursMax) this.#peaks.shift();
      this.#hour = hour;
      this.#peak = 0;
    }
    this.#peak = Math.max(this.#peak, demand);
  }

  /** The highest mean + z·σ of the hours that a time touches; null while too little was seen. */
  forecast(fromS: number, toS: number, z: number): number | null {
    let highest: number | null = null;
    for (let hour = Math.floor(fromS / hourS); hour <= Math.floor(toS / hourS); hour++) {
      const peaks = this.#like(hour);
      if (peaks.length < peaksMin) return null;
      const mean = peaks.reduce((sum, peak) => sum + peak, 0) / peaks.length;
      const variance = peaks.reduce((sum, peak) => sum + (peak - mean) ** 2, 0) / peaks.length;
      highest = Math.max(highest ?? -Infinity, mean + z * Math.sqrt(variance));
    }
    return highest;
  }

  /** Those at the same hour of the day; while they are too few, the last day's. */
  #like(hour: number): number[] {
    const same = this.#peaks.filter((known) => (hour - known.hour) % 24 === 0);
    return (same.length >= peaksMin ? same : this.#peaks.slice(-24)).map(({ peak }) => peak);
  }
}
