import type { SurvivalStratum } from "../survival-check.ts";
import type { ChartWithTable } from "./figure.ts";
import { lineChart, type Line } from "./line-chart.ts";

/** What was said of how long devices stay idle, and Kaplan–Meier's estimate of how long they did. */
export function survivalChart(policy: string, all: readonly SurvivalStratum[]): ChartWithTable {
  const percent = (shares: readonly number[]) => shares.map((share) => 100 * share);
  const lines = all.flatMap(({ from, to, count, said, came }, tone): Line[] => {
    const name = `return within 15 min ${100 * from}–${100 * to} % likely (${count} times)`;
    return count === 0
      ? []
      : [
          { name: `said: ${name}`, tone, dashed: true, values: percent(said) },
          { name: `came: ${name}`, tone, values: percent(came) },
        ];
  });
  return lineChart({
    title: `How long idle devices stayed idle, as ${policy} foresaw it`,
    text: "Devices by what was said of them. Dashed: the mean of the curves that were said; solid: Kaplan–Meier's estimate of what came.",
    names: { x: "minutes since it was said", y: "still idle, %" },
    x: Array.from(
      { length: Math.max(0, ...lines.map(({ values }) => values.length)) },
      (_, minute) => minute,
    ),
    lines,
    yMost: 100,
  });
}
