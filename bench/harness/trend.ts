/** How a figure moved over time: the straight line that fits it best. */
export interface Trend {
  readonly mean: number;
  readonly slopePerH: number;
  /** Of the slope, one standard error. */
  readonly errorPerH: number;
}

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

const hourMs = 3_600_000;

/**
 * Least squares. Neighbouring samples of a saw tooth say nearly the same, so that they count as fewer: the error is
 * widened by √((1 + r) / (1 − r)), where r is the correlation of each residual with the next one (AR(1)).
 */
export function trendOf(points: readonly Point[]): Trend {
  const n = points.length;
  if (n < 3) throw new RangeError(`a trend needs at least 3 points, not ${n}`);
  const meanOf = (pick: (point: Point) => number) => points.reduce((sum, p) => sum + pick(p), 0) / n;
  const [meanMs, mean] = [meanOf((p) => p.atMs), meanOf((p) => p.value)];
  let spread = 0;
  let joint = 0;
  for (const { atMs, value } of points) {
    spread += (atMs - meanMs) ** 2;
    joint += (atMs - meanMs) * (value - mean);
  }
  const slope = joint / spread;
  const residuals = points.map(({ atMs, value }) => value - mean - slope * (atMs - meanMs));
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const error = Math.sqrt(squares / (n - 2) / spread) * widening(residuals, squares);
  return { mean, slopePerH: slope * hourMs, errorPerH: error * hourMs };
}

function widening(residuals: readonly number[], squares: number): number {
  if (squares === 0) return 1;
  const neighbours = residuals.slice(1).reduce((sum, value, i) => sum + value * residuals[i]!, 0);
  const r = Math.min(0.99, Math.max(0, neighbours / squares));
  return Math.sqrt((1 + r) / (1 - r));
}

/** No growth that can be told from chance, or less of it than `perHMax`. A figure that falls is no leak. */
export function isFlat({ slopePerH, errorPerH }: Trend, perHMax: number): boolean {
  return slopePerH < 2 * errorPerH || slopePerH < perHMax;
}
