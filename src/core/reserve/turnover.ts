/** GPUs that were taken, and that met a guest, as counts had it: so many are believed beside what was seen. */
const BELIEVED_TAKEN = 100;
const BELIEVED_MET = 10;

/** Of one pool and tick, GPUs: what counts tell, and what came. */
export interface Turn {
  /** By how many demand rose, and how many of those met a lent one if owners take those last. */
  readonly rise: number;
  readonly metByCounts: number;
  /** By owners, and of those the ones that met a guest. */
  readonly taken: number;
  readonly met: number;
}

/**
 * What counts of a pool do not tell. Owners take more GPUs than demand rises by where they let go of others in the same tick,
 * and choose which: what is lent may be what they take first. Both are learned as factors, 1 each where counts are all that is known.
 */
export class Turnover {
  #rise = 0;
  #metByCounts = 0;
  #taken = 0;
  #met = 0;

  /** `keep`: the part of what was seen that still counts. */
  forget(keep: number): void {
    this.#rise *= keep;
    this.#metByCounts *= keep;
    this.#taken *= keep;
    this.#met *= keep;
  }

  observe({ rise, metByCounts, taken, met }: Turn): void {
    this.#rise += rise;
    this.#metByCounts += metByCounts;
    this.#taken += taken;
    this.#met += met;
  }

  /** GPUs taken to each by which demand rose. */
  get takenPerRise(): number {
    return (this.#taken + BELIEVED_TAKEN) / (this.#rise + BELIEVED_TAKEN);
  }

  /** The share of taken GPUs that met a guest, to the share that counts made of it. */
  get metPerCounted(): number {
    return (this.#met + BELIEVED_MET) / (this.#metByCounts * this.takenPerRise + BELIEVED_MET);
  }
}
