/** How long a device that is idle now is believed to stay so. */
export interface SurvivalCurve {
  /** P(still idle after a further `horizonMs`), 0–1. */
  survivalAt(horizonMs: number): number;
  /** E[min(window, horizonMs)], ms. */
  expectedIdleMs(horizonMs: number): number;
  /** Of the parameters that the curve came from. */
  readonly hash: string;
}
