import { html, type Html } from "./html.ts";

/** The drawing's size, and where in it the plot lies. */
export const width = 760;
export const plot = { left: 64, right: 744, top: 12, bottom: 268 };
export const height = 312;

export interface Legend {
  /** A class that colours: `tone0` …, or a state's. */
  readonly tone: string;
  readonly name: string;
}

/** A drawing and what it takes to read it. */
export interface Chart {
  readonly title: string;
  /** What to see in it, in a sentence or two. */
  readonly text: string;
  readonly drawing: Html;
  readonly drawingHeight?: number;
  readonly legend: readonly Legend[];
}

export interface ChartWithTable extends Chart {
  readonly table: Html;
}

/** A drawing with its words, and the same figures as a table for whoever cannot see it. */
export function figure({
  title,
  text,
  drawing,
  drawingHeight = height,
  legend,
  table,
}: ChartWithTable): Html {
  return html`<figure>
    <figcaption>
      <h2>${title}</h2>
      <p>${text}</p>
    </figcaption>
    <svg role="img" aria-label="${title}. ${text}" viewBox="0 0 ${width} ${drawingHeight}">${drawing}</svg>
    <ul class="legend">
      ${legend.map(({ tone, name }) => html`<li><i class="${tone}"></i>${name}</li>`)}
    </ul>
    <details>
      <summary>The figures</summary>
      <div class="wide">${table}</div>
    </details>
  </figure> `;
}

/** Two decimals are far below what the eye sees. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
