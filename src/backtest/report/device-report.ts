import type { DeviceBacktest } from "../backtest-devices.ts";
import type { PolicyContext } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import { deviceMap } from "./device-map.ts";
import { figure } from "./html/figure.ts";
import { harvestCharts } from "./html/harvest-charts.ts";
import { html, type Html } from "./html/html.ts";
import { mapChart } from "./html/map-chart.ts";
import { page } from "./html/page.ts";
import { reliabilityChart } from "./html/reliability-chart.ts";
import { survivalChart } from "./html/survival-chart.ts";
import { figuresTable, tableSection } from "./html/tables.ts";
import { guestTable } from "./guest-table.ts";
import type { Origin } from "./origin.ts";
import { deviceFigures, hours, type Figures } from "./policy-tables.ts";

/** A backtest of devices as one HTML file; the map shows what the first policy lent. `queue`: of a finite one, in a sentence. */
export function deviceReport(
  trace: DeviceTrace,
  { rules, meetingsPerGpuDayMax, seed }: PolicyContext<DeviceRules>,
  backtest: DeviceBacktest,
  origin: Origin,
  queue: string | null,
): string {
  const { idleS, results } = backtest;
  const [first] = results;
  const guests = guestTable(backtest);
  const spanS = trace.timesS.at(-1)! - trace.timesS[0]!;
  return page({
    origin,
    summary: `Devices: ${trace.devices.length}; pools: ${trace.pools.length}; readings: ${trace.device.length}; hours: ${hours(spanS)}. An owner's return ${rules.mode === "kill" ? "ends" : "pauses"} a guest.`,
    rules: { ...rules, meetingsPerGpuDayMax, seed },
    body: [
      tableSection("Policies", figuresTable(deviceFigures(backtest))),
      ...(guests === null ? [] : [guestSection(guests, queue)]),
      tableSection("What nobody exceeds", boundsTable(backtest)),
      ...(first === undefined
        ? []
        : [
            ...harvestCharts(
              first.harvest.buckets,
              idleS,
              results.map(({ name, harvest: { netS } }) => ({ policy: name, netS })),
            ),
            mapChart(first.name, deviceMap(trace, rules, first.decisions)),
          ].map(figure)),
      ...results.flatMap(({ policy, forecast }) =>
        forecast === null
          ? []
          : [reliabilityChart(policy, forecast.reliability), survivalChart(policy, forecast.survival)].map(
              figure,
            ),
      ),
    ],
  });
}

function guestSection(guests: Figures, queue: string | null): Html {
  return tableSection(
    "Guests",
    html`${figuresTable(guests)}
      <p>${queue}</p>`,
  );
}

function boundsTable({ bounds }: DeviceBacktest) {
  return figuresTable({
    head: ["bound", "GPU-h"],
    rows: [
      ["all idle time", hours(bounds.idleS)],
      ["the best that never leaves before the owner comes (novacate)", hours(bounds.novacateS)],
      ["the best that may (vacate)", hours(bounds.vacateS)],
    ],
  });
}
