import { axes, type AxisNames } from "./axes.ts";
import { axis, label } from "./axis.ts";
import { plot, round, type ChartWithTable } from "./figure.ts";
import { html } from "./html.ts";
import { figuresTable } from "./tables.ts";

/** Colours that there are. */
const tones = 7;

export interface Line {
  readonly name: string;
  /** Of the palette, by its place. */
  readonly tone: number;
  readonly dashed?: boolean;
  /** One for each x; null: nothing there. */
  readonly values: readonly (number | null)[];
}

export interface LineChart {
  readonly title: string;
  readonly text: string;
  readonly names: AxisNames;
  readonly x: readonly number[];
  readonly lines: readonly Line[];
  /** The axis shows at least that. */
  readonly yMost?: number;
}

/** Lines over a common x; y shows 0. */
export function lineChart({ title, text, names, x, lines, yMost = 0 }: LineChart): ChartWithTable {
  const values = lines.flatMap((line) => line.values.filter((value) => value !== null));
  const across = axis(x[0] ?? 0, x.at(-1) ?? 1, plot.left, plot.right, 12);
  const up = axis(Math.min(0, ...values), Math.max(yMost, ...values), plot.bottom, plot.top, 6);
  const pathOf = (line: Line) => {
    let lifted = true;
    return line.values
      .map((value, index) => {
        const begins = lifted;
        lifted = value === null;
        if (value === null) return "";
        const point = `${round(across.at(x[index]!))} ${round(up.at(value))}`;
        // A line of no length is a dot: what stands between two gaps is seen too.
        return begins ? `M${point}h0` : `L${point}`;
      })
      .join("");
  };
  return {
    title,
    text,
    drawing: html`${axes(across, up, names)}${lines.map(
      (line) => html`<path class="curve ${toneOf(line)}" d="${pathOf(line)}" />`,
    )}`,
    legend: lines.map((line) => ({ tone: toneOf(line), name: line.name })),
    table: figuresTable({
      head: [names.x, ...lines.map(({ name }) => name)],
      rows: x.map((at, index) => [label(at), ...lines.map(({ values }) => cellOf(values[index] ?? null))]),
    }),
  };
}

function cellOf(value: number | null): string {
  return value === null ? "–" : label(value);
}

function toneOf({ tone, dashed = false }: Line): string {
  return `tone${tone % tones}${dashed ? " dashed" : ""}`;
}
