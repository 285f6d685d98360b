/** A pool's devices at one tick. */
export interface PoolCount {
  total: number;
  /** Of those: that telemetry tells of, used by owners, and lent beside no owner. */
  known: number;
  busy: number;
  lent: number;
  /** Since the last tick, by owners: from guests, and with what was free. */
  evicted: number;
  taken: number;
}

export function newPoolCount(): PoolCount {
  return { total: 0, known: 0, busy: 0, lent: 0, evicted: 0, taken: 0 };
}
