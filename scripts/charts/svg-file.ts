import { height, plot, width, type Chart, type Legend } from "../../src/backtest/report/html/figure.ts";
import { html, Html } from "../../src/backtest/report/html/html.ts";
import { chartStyle } from "../../src/backtest/report/html/style.ts";

const margin = 16;
const titleHeight = 36;
const rowHeight = 20;
const strokeWidth = 24;
const strokeGap = 8;
const entryGap = 20;
/** Of 12 px letters: more than the widest of the usual fonts takes. */
const letterWidth = 7.2;

const style = `${chartStyle}
text{font-family:system-ui,sans-serif}.paper{fill:var(--paper)}.title{fill:var(--ink);font-size:15px;font-weight:600}`;

/** A chart as a file of its own, on its own ground: whoever shows it may be light where the reader's system is dark. */
export function svgFile({ title, text, drawing, drawingHeight = height, legend }: Chart): string {
  const entries = legendEntries(legend);
  const legendTop = titleHeight + drawingHeight + rowHeight / 2;
  const total = legendTop + (entries.at(-1)!.row + 1) * rowHeight + margin / 2;
  return html`<svg
    xmlns="http://www.w3.org/2000/svg"
    role="img"
    aria-label="${title}. ${text}"
    width="${width}"
    height="${total}"
    viewBox="0 0 ${width} ${total}"
  >
    <style>
      ${new Html(style)}
    </style>
    <rect class="paper" width="${width}" height="${total}" />
    <text class="title" x="${margin}" y="24">${title}</text>
    <g transform="translate(0 ${titleHeight})">${drawing}</g>
    <g class="ticks" transform="translate(0 ${legendTop})">
      ${entries.map(
        ({ tone, name, x, row }) =>
          html`<path class="curve ${tone}" d="M${x} ${row * rowHeight + 8}h${strokeWidth}" /><text
              x="${x + strokeWidth + strokeGap}"
              y="${row * rowHeight + 12}"
              >${name}</text
            >`,
      )}
    </g>
  </svg> `.text;
}

interface LegendEntry extends Legend {
  readonly x: number;
  readonly row: number;
}

/** As many beside each other as surely fit. */
function legendEntries(legend: readonly Legend[]): LegendEntry[] {
  let x = margin;
  let row = 0;
  return legend.map(({ tone, name }) => {
    const entryWidth = strokeWidth + strokeGap + name.length * letterWidth;
    if (x > margin && x + entryWidth > plot.right) {
      x = margin;
      row += 1;
    }
    const entry = { tone, name, x, row };
    x += entryWidth + entryGap;
    return entry;
  });
}
