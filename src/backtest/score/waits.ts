/** Seconds. */
export interface Waits {
  readonly meanS: number;
  readonly p99S: number;
  readonly mostS: number;
}

/** Of jobs that began at some times instead of at others. */
export function waits(beginS: Float64Array, insteadOfS: Float64Array): Waits {
  const all = beginS.map((at, job) => at - insteadOfS[job]!).toSorted();
  const sumS = all.reduce((sum, waitS) => sum + waitS, 0);
  return { meanS: sumS / all.length, p99S: all[Math.ceil(0.99 * all.length) - 1]!, mostS: all.at(-1)! };
}
