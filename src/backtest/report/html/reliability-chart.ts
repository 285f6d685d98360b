import { intervalText } from "../../../core/forecast/calibration.ts";
import type { Reliability } from "../forecast-check.ts";
import type { ReliabilityBin } from "../reliability.ts";
import { axes } from "./axes.ts";
import { axis } from "./axis.ts";
import { plot, round, type ChartWithTable } from "./figure.ts";
import { html, type Html } from "./html.ts";
import { figuresTable } from "./tables.ts";
import { percent } from "../policy-tables.ts";

/** Said against came, a line for each horizon; the larger the dot, the more was said of it. */
export function reliabilityChart(policy: string, all: readonly Reliability[]): ChartWithTable {
  const across = axis(0, 100, plot.left, plot.right, 10);
  const up = axis(0, 100, plot.bottom, plot.top, 5);
  const at = ({ said, came }: Said) => ({ x: round(across.at(100 * said)), y: round(up.at(100 * came)) });
  const drawOne = ({ bins, count }: Reliability, tone: number) => {
    const points = bins.filter(wasSaid);
    const path = points.map((bin, index) => `${index === 0 ? "M" : "L"}${at(bin).x} ${at(bin).y}`).join("");
    return html`<path class="curve tone${tone}" d="${path}" />${points.map(
        (bin) =>
          html`<circle
            class="tone${tone}"
            cx="${at(bin).x}"
            cy="${at(bin).y}"
            r="${round(2 + 6 * Math.sqrt(bin.count / count))}"
          />`,
      )}`;
  };
  return {
    title: `Reliability of the forecast of ${policy}`,
    text: "Chances of the owner's return, against the share of owners who did return; on the diagonal both are the same. Dots grow with the number of questions.",
    drawing: html`${axes(across, up, { x: "said, %", y: "came, %" })}<path
        class="diagonal"
        d="M${plot.left} ${plot.bottom}L${plot.right} ${plot.top}"
      />${all.map(drawOne)}`,
    legend: all.map(({ horizonS }, tone) => ({ tone: `tone${tone}`, name: `within ${horizonS / 60} min` })),
    table: reliabilityTable(all),
  };
}

interface Said extends ReliabilityBin {
  readonly said: number;
  readonly came: number;
}

function wasSaid(bin: ReliabilityBin): bin is Said {
  return bin.count > 0;
}

function reliabilityTable(all: readonly Reliability[]): Html {
  const tenths = all[0]!.bins.map(({ from, to }) => `came of ${100 * from}–${100 * to} % (asked)`);
  return figuresTable({
    head: ["within", "asked", "said", "came", "said − came, 95 %", "Brier score", ...tenths],
    rows: all.map(({ horizonS, count, said, came, interval, brier, bins }) => [
      `${horizonS / 60} min`,
      String(count),
      percent(said),
      percent(came),
      intervalText(interval),
      brier?.toFixed(3) ?? "–",
      ...bins.map((bin) => `${percent(bin.came)} (${bin.count})`),
    ]),
  });
}
