import { mapStates, type DeviceMap, type MapRow, type MapState } from "../device-map.ts";
import { axis, label } from "./axis.ts";
import { plot, round, type ChartWithTable } from "./figure.ts";
import { html } from "./html.ts";
import { figuresTable } from "./tables.ts";
import { hours } from "../policy-tables.ts";
import { timeAxis } from "./time-axis.ts";

const rowHeightMost = 12;
const rowHeightLeast = 3;
const wantedHeight = 480;

/** Devices × time, a row of runs for each; one path for each state keeps it small. */
export function mapChart(policy: string, map: DeviceMap): ChartWithTable {
  const { buckets, rows } = map;
  const rowHeight = Math.min(rowHeightMost, Math.max(rowHeightLeast, Math.floor(wantedHeight / rows.length)));
  const bottom = plot.top + rows.length * rowHeight;
  const time = timeAxis(buckets);
  const scale = (plot.right - plot.left) / buckets.count;
  const [begin, end] = [time.x[0]! - time.step / 2, time.x.at(-1)! + time.step / 2];
  const ticks = axis(begin, end, 0, 1, 12).ticks.filter((value) => value >= begin && value <= end);
  const at = (value: number) => round(plot.left + ((value - begin) / time.step) * scale);
  const paths = mapStates.map(
    (state) =>
      html`<path
        class="state ${state}"
        d="${rows.map((row, index) => runsOf(row, state, index)).join("")}"
      />`,
  );
  return {
    title: `Devices over time, lent by ${policy}`,
    text: "Each line is a device, or neighbours where there are many; each cell has the state that lasted longest in it. Idle is what was left.",
    drawingHeight: bottom + 44,
    drawing: html`<g transform="translate(${plot.left} ${plot.top}) scale(${scale.toFixed(5)} ${rowHeight})"
        >${paths}</g
      ><g class="ticks"
        >${ticks.map(
          (value) =>
            html`<text x="${at(value)}" y="${bottom + 16}" text-anchor="middle">${label(value)}</text>`,
        )}<text x="${(plot.left + plot.right) / 2}" y="${bottom + 36}" text-anchor="middle">${time.name}</text
        ><text text-anchor="middle" transform="translate(14 ${(plot.top + bottom) / 2}) rotate(-90)"
          >devices</text
        ></g
      >`,
    legend: mapStates.map((state) => ({ tone: state, name: state })),
    table: figuresTable({
      head: ["device", ...mapStates.map((state) => `${state}, h`)],
      rows: rows.map(({ first, last, seconds: { idle, busy, unknown, lent } }) => [
        first === last ? first : `${first} … ${last}`,
        hours(idle),
        hours(busy),
        hours(unknown),
        hours(lent),
      ]),
    }),
  };
}

/** Strokes of one cell's height: relative moves, as they are short. */
function runsOf({ cells }: MapRow, state: MapState, row: number): string {
  let path = "";
  let pen = 0;
  for (let from = cells.indexOf(state); from >= 0; from = cells.indexOf(state, pen)) {
    let to = from + 1;
    while (cells[to] === state) to++;
    path += path === "" ? `M${from} ${row + 0.5}h${to - from}` : `m${from - pen} 0h${to - from}`;
    pen = to;
  }
  return path;
}
