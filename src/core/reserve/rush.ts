/** Ticks over which arrivals are told against what was forecast. */
const TICKS = 5;
/** Standard deviations: from so many on more than was forecast it is a rush, which lasts until they are so few again. */
const RUSH_Z = 4;
const OVER_Z = 1;
/** How far back the usual spread goes, in ticks: a day of minutes. */
const SPREAD_TICKS = 1_440;

/** Tells when far more of a pool's GPUs are claimed than its forecast knew of: what follows is not known either. */
export class Rush {
  isOn = false;
  readonly #surplus = new Float64Array(TICKS);
  #ticks = 0;
  /** GPUs²; a pool that never moved has one of a GPU. */
  #variance = 1;

  /** GPUs that arrived at a tick, and those that were expected to. */
  observe(arrived: number, expected: number): void {
    const surplus = arrived - expected;
    this.#surplus[this.#ticks++ % TICKS] = surplus;
    this.#variance += (surplus ** 2 - this.#variance) / Math.min(SPREAD_TICKS, this.#ticks + 1);
    const z = this.#surplus.reduce((sum, each) => sum + each, 0) / Math.sqrt(this.#variance * TICKS);
    this.isOn = z > (this.isOn ? OVER_Z : RUSH_Z);
  }

  /** After a gap. */
  end(): void {
    this.isOn = false;
    this.#surplus.fill(0);
  }
}
