import type { ForecastFigures } from "../backtest/report/forecast-check.ts";
import { percent } from "../backtest/report/policy-tables.ts";
import type { TimeBuckets } from "../backtest/report/time-buckets.ts";
import { intervalText } from "../core/forecast/calibration.ts";
import type { Colors } from "./cli.ts";
import { table } from "./table.ts";

const marksMax = 60;
const marks = "▁▂▃▄▅▆▇█";

interface OverTime {
  readonly policy: string;
  readonly buckets: TimeBuckets;
  readonly netS: readonly number[];
}

/** Net over time, a line of marks for each policy, all to one scale. */
export function harvestLines(paint: Colors, all: readonly OverTime[]): string[] {
  const [first] = all;
  if (first === undefined) return [];
  const perMark = Math.ceil(first.buckets.count / marksMax);
  const markS = perMark * first.buckets.widthS;
  const gpus = all.map(({ netS }) =>
    Array.from({ length: Math.ceil(netS.length / perMark) }, (_, mark) => {
      const part = netS.slice(mark * perMark, (mark + 1) * perMark);
      return part.reduce((sum, seconds) => sum + seconds, 0) / markS;
    }),
  );
  const most = Math.max(...gpus.flat(), 0);
  return [
    "",
    table(
      paint,
      ["net over time", `each mark ${span(markS)}, █ ${most.toFixed(1)} GPUs, _ a loss`],
      all.map(({ policy }, index) => [policy, gpus[index]!.map((value) => markOf(value, most)).join("")]),
    ),
  ];
}

function markOf(value: number, most: number): string {
  if (value < 0) return "_";
  return most === 0
    ? marks[0]!
    : marks[Math.min(marks.length - 1, Math.floor((value / most) * marks.length))]!;
}

/** The reliability diagram as a table: said against came at each horizon, and what came of each tenth of what was said. */
export function forecastLines(paint: Colors, policy: string, forecast: ForecastFigures | null): string[] {
  if (forecast === null) return [];
  const tenths = forecast.reliability[0]!.bins.map(({ from, to }) => `${100 * from}–${100 * to}`);
  const rows = forecast.reliability.map(({ horizonS, count, said, came, interval, bins }) => [
    span(horizonS),
    String(count),
    percent(said),
    percent(came),
    intervalText(interval),
    ...bins.map((bin) => (bin.came === null ? "–" : (100 * bin.came).toFixed(0))),
  ]);
  return [
    "",
    `${policy}: what its forecast said of owners' returns, and what came; then, of what it said with so many percent, the percentage that came`,
    table(paint, ["within", "asked", "said", "came", "said − came, 95 %", ...tenths], rows),
  ];
}

function span(seconds: number): string {
  if (seconds < 7_200) return `${seconds / 60} min`;
  return seconds < 172_800 ? `${seconds / 3_600} h` : `${seconds / 86_400} d`;
}
