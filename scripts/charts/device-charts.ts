import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import type { Chart } from "../../src/backtest/report/html/figure.ts";
import { harvestCharts } from "../../src/backtest/report/html/harvest-charts.ts";
import { reliabilityChart } from "../../src/backtest/report/html/reliability-chart.ts";
import { survivalChart } from "../../src/backtest/report/html/survival-chart.ts";
import { defaultDeviceRules } from "../../src/backtest/rules.ts";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";

/** The policies' names in the charts. */
const policies: Readonly<Record<string, string>> = {
  learned: "learned",
  "lend-all": "lend-all",
  clairvoyant: "the bound: knows the future, stays until the owner comes",
};

/** What the forecast of devices said and came to, by the names of their files. */
export async function deviceCharts(path: string): Promise<Record<string, Chart>> {
  const trace = await readDeviceTrace(path);
  const { idleS, results } = backtestDevices(trace, Object.keys(policies), {
    rules: defaultDeviceRules,
    meetingsPerGpuDayMax: null,
    waitedShareMax: null,
    seed: 1,
  });
  const { policy, forecast, harvest } = results[0]!;
  const [overTime, soFar] = harvestCharts(
    harvest.buckets,
    idleS,
    results.map((result) => ({ policy: policies[result.policy]!, netS: result.harvest.netS })),
  );
  return {
    reliability: reliabilityChart(policy, forecast!.reliability),
    survival: survivalChart(policy, forecast!.survival),
    "harvest-over-time": overTime!,
    "harvest-so-far": soFar!,
  };
}
