import type { Labels, QueryPreset } from "./query-preset.ts";

const namesMax = 24;
const nameLengthMax = 40;

/** Which labels a history's series carry, for what is said where they are not those that were meant. */
export class SeenLabels {
  readonly #preset: QueryPreset;
  readonly #poolLabel: string | null;
  readonly #names = new Set<string>();
  #gpuNamed = false;
  #poolNamed = false;

  constructor(preset: QueryPreset, poolLabel: string | null) {
    this.#preset = preset;
    this.#poolLabel = poolLabel;
  }

  add(series: readonly { readonly labels: Labels }[]): void {
    for (const { labels } of series) {
      // From here on nothing is left to say.
      if (this.#gpuNamed && (this.#poolNamed || this.#poolLabel === null)) return;
      for (const name of Object.keys(labels)) this.#names.add(name);
      const of = this.#preset.seriesOf(labels, this.#poolLabel);
      this.#gpuNamed ||= of !== null;
      this.#poolNamed ||= of !== null && of.pool !== null;
    }
  }

  /** There are series, and none names a GPU. */
  get lackGpu(): boolean {
    return this.#names.size > 0 && !this.#gpuNamed;
  }

  /** There are GPUs, and no series of theirs carries the label that was asked for. */
  get lackPool(): boolean {
    return this.#poolLabel !== null && this.#gpuNamed && !this.#poolNamed;
  }

  /** Their names in order; the first of them where there are many. */
  list(): string {
    const names = [...this.#names].filter((name) => name !== "__name__").toSorted();
    const left = names.length - namesMax;
    const shown = names.slice(0, namesMax).map(shortened).join(", ");
    return shown === "" ? "none" : `${shown}${left > 0 ? ` and ${left} more` : ""}`;
  }
}

/** Prometheus takes any text for a label's name. */
function shortened(name: string): string {
  const text = name.length > nameLengthMax ? `${name.slice(0, nameLengthMax)}…` : name;
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
