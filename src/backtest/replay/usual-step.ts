const stepsMax = 64;

/** Tells usual steps of a clock from long ones and from gaps, by the median of the last ones; looks back only. */
export class UsualStep {
  readonly #gapSteps: number;
  readonly #stepsS: number[] = [];
  #medianS = Infinity;
  #lastS = NaN;

  constructor(gapSteps: number) {
    this.#gapSteps = gapSteps;
  }

  next(timeS: number): "first" | "usual" | "long" | "gap" {
    const stepS = timeS - this.#lastS;
    this.#lastS = timeS;
    if (Number.isNaN(stepS)) return "first";
    const kind = stepS > this.#gapSteps * this.#medianS ? "gap" : stepS > this.#medianS ? "long" : "usual";
    this.#add(stepS);
    return kind;
  }

  #add(stepS: number): void {
    this.#stepsS.push(stepS);
    const dropped = this.#stepsS.length > stepsMax ? this.#stepsS.shift() : stepS;
    if (stepS === this.#medianS && dropped === stepS) return;
    const sorted = this.#stepsS.toSorted((one, other) => one - other);
    this.#medianS = sorted[Math.floor(sorted.length / 2)]!;
  }
}
