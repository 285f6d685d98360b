/** Numbers of the world along a stretch of the drawing. */
export interface Axis {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

const stepsOfTen = [1, 2, 5, 10];
/** Of binary fractions, in steps. */
const noise = 1e-9;

/** Round ticks, about so many, that cover `least` … `most`; drawn from `from` to `to`. */
export function axis(least: number, most: number, from: number, to: number, ticksAbout: number): Axis {
  const span = most > least ? most - least : 1;
  const power = 10 ** Math.floor(Math.log10(span / ticksAbout));
  const step = stepsOfTen.map((times) => times * power).find((size) => span / size <= ticksAbout)!;
  const first = Math.floor(least / step + noise);
  const last = Math.ceil((least + span) / step - noise);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  const [begin, end] = [ticks[0]!, ticks.at(-1)!];
  return { ticks, at: (value) => from + ((value - begin) / (end - begin)) * (to - from) };
}

/** Without the noise of binary fractions. */
export function label(value: number): string {
  return String(Number(value.toPrecision(6)));
}
