import { axes, type AxisNames } from "../../src/backtest/report/html/axes.ts";
import { axis } from "../../src/backtest/report/html/axis.ts";
import { plot, round, type Chart } from "../../src/backtest/report/html/figure.ts";
import { html } from "../../src/backtest/report/html/html.ts";

/** What a policy came to with each of its settings, %. */
export interface TradeOff {
  readonly name: string;
  readonly dashed?: boolean;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** A dot for each setting, a line through those of a policy; further up and left is better. */
export function tradeOffChart(
  title: string,
  text: string,
  names: AxisNames,
  policies: readonly TradeOff[],
): Chart {
  const most = Math.max(...policies.flatMap(({ points }) => points.map(({ x }) => x)));
  const across = axis(0, most, plot.left, plot.right, 10);
  const up = axis(0, 100, plot.bottom, plot.top, 5);
  const toneOf = ({ dashed = false }: TradeOff, tone: number) => `tone${tone}${dashed ? " dashed" : ""}`;
  const drawOne = (policy: TradeOff, tone: number) => {
    const dots = policy.points.map(({ x, y }) => ({ x: round(across.at(x)), y: round(up.at(y)) }));
    const path = dots.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
    return html`<path class="curve ${toneOf(policy, tone)}" d="${path}" />${dots.map(
        ({ x, y }) => html`<circle class="tone${tone}" cx="${x}" cy="${y}" r="3" />`,
      )}`;
  };
  return {
    title,
    text,
    drawing: html`${axes(across, up, names)}${policies.map(drawOne)}`,
    legend: policies.map((policy, tone) => ({ tone: toneOf(policy, tone), name: policy.name })),
  };
}
