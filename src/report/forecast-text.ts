import { intervalText, type Calibration } from "../core/forecast/calibration.ts";
import type { GroupBooks, ReportCalibration } from "./report.ts";
import { iso, share, shorten, table } from "./text-parts.ts";

const minuteMs = 60_000;
/** Pools listed one by one; the others are counted. */
const poolsMax = 8;

type Title = (text: string) => string;

/** What owners allow, beside what came; nothing where nobody set a number. */
export function ownersText(pools: readonly GroupBooks[], title: Title): string[] {
  const meetings = pools.flatMap(
    ({ name, meetings: count, meetingsPerGpuDay: came, meetingsPerGpuDayMax: max }) =>
      max === null ? [] : [[shorten(name), max.toFixed(2), came.toFixed(2), share(came, max), String(count)]],
  );
  const waited = pools.flatMap(({ name, returns, waitedShare: came, waitedShareMax: max }) =>
    max === null ? [] : [[shorten(name), share(max, 1), share(came, 1), share(came, max), String(returns)]],
  );
  return [
    ...ownersTable("meetings a GPU-day", "meetings", meetings, title),
    ...ownersTable("share of their returns that met a guest", "returns", waited, title),
  ];
}

function ownersTable(number: string, counted: string, rows: string[][], title: Title): string[] {
  if (rows.length === 0) return [];
  return [
    title(`Owners' numbers: ${number}`),
    table(["pool", "set", "came", "of what was set", counted], rows),
    "",
  ];
}

/** The forecast's calibration; nothing where nobody leads who could tell. */
export function forecastText(calibration: ReportCalibration | null, title: Title): string[] {
  if (calibration === null) return [];
  const { fromMs, total, pools } = calibration;
  const head = title(`Forecast of owners' returns: what was said, and what came since ${iso(fromMs)}`);
  if (total.every(({ count }) => count === 0)) return [head, "  no question was answered yet", ""];
  const rest = pools.length - poolsMax;
  return [
    head,
    table(
      ["pool", "within", "asked", "said", "came", "said − came, 95 %", "Brier"],
      [{ pool: "(all)", horizons: total }, ...pools.slice(0, poolsMax)].flatMap(rowsOf),
    ),
    ...(rest > 0 ? [`  and ${rest} pools more: see --json`] : []),
    "",
  ];
}

function rowsOf({ pool, horizons }: { pool: string; horizons: readonly Calibration[] }): string[][] {
  return horizons
    .filter(({ count }) => count > 0)
    .map(({ horizonMs, count, said, came, interval, brier }, index) => [
      index === 0 ? shorten(pool) : "",
      `${horizonMs / minuteMs} min`,
      String(count),
      share(said ?? 0, 1),
      share(came ?? 0, 1),
      intervalText(interval),
      brier?.toFixed(3) ?? "–",
    ]);
}
