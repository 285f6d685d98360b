import { label, type Axis } from "./axis.ts";
import { plot, round } from "./figure.ts";
import { html, type Html } from "./html.ts";

export interface AxisNames {
  readonly x: string;
  readonly y: string;
}

/** Grid, ticks and names of both axes. */
export function axes(x: Axis, y: Axis, names: AxisNames): Html {
  const { left, right, top, bottom } = plot;
  const middle = (top + bottom) / 2;
  return html`<g class="grid"
      >${y.ticks.map(
        (value) =>
          html`<path class="${value === 0 ? "zero" : "line"}" d="M${left} ${round(y.at(value))}H${right}" />`,
      )}</g
    ><g class="ticks"
      >${x.ticks.map(
        (value) =>
          html`<text x="${round(x.at(value))}" y="${bottom + 16}" text-anchor="middle"
            >${label(value)}</text
          >`,
      )}${y.ticks.map(
        (value) =>
          html`<text x="${left - 6}" y="${round(y.at(value) + 4)}" text-anchor="end">${label(value)}</text>`,
      )}<text x="${(left + right) / 2}" y="${bottom + 36}" text-anchor="middle">${names.x}</text
      ><text text-anchor="middle" transform="translate(14 ${middle}) rotate(-90)">${names.y}</text></g
    >`;
}
