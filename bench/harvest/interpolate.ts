export type Point = readonly [x: number, y: number];

/** Where the line through the points passes x; NaN beyond them. */
export function interpolate(points: readonly Point[], x: number): number {
  const sorted = points.toSorted(([one], [other]) => one - other);
  const after = sorted.findIndex(([pointX]) => pointX >= x);
  const [x1, y1] = sorted[after] ?? [NaN, NaN];
  if (x1 === x) return y1;
  const [x0, y0] = sorted[after - 1] ?? [NaN, NaN];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
