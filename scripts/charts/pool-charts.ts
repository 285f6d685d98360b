import { backtestPools } from "../../src/backtest/backtest-pools.ts";
import type { Chart } from "../../src/backtest/report/html/figure.ts";
import { defaultPoolRules } from "../../src/backtest/rules.ts";
import { readPoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import { tradeOffChart } from "./trade-off-chart.ts";

const prices = Array.from({ length: 6 }, (_, step) => 1_000 * 3 ** step);
const ages = Array.from({ length: 7 }, (_, step) => 900 * 2 ** step);
const sigmas = [1, 2, 3, 4, 6, 8, 12];
const shares = [0.01, 0.02, 0.05, 0.1, 0.15, 0.25];

/** How much each policy lends of what idles, at what owners bear, by the names of their files. */
export async function poolCharts(path: string): Promise<Record<string, Chart>> {
  const trace = await readPoolTrace(path);
  const play = (policy: string, waitedShareMax: number | null = null) => {
    const context = { rules: defaultPoolRules, waitedShareMax, meetingsPerGpuDayMax: null, seed: 1 };
    const { waited, arrivals, lentS, idleS } = backtestPools(trace, [policy], context)[0]!.total;
    return { x: (100 * waited) / arrivals, y: (100 * lentS) / idleS };
  };
  return {
    "lent-by-waited": tradeOffChart(
      "What is lent, at what owners bear",
      "Each dot is a policy with one setting over the whole trace.",
      { x: "owners' arriving GPUs that met a lent one, %", y: "lent of idle, %" },
      [
        { name: "learned, one price in hindsight", points: prices.map((s) => play(`learned:${s}`)) },
        {
          name: "learned, held to the owner's number, 1 – 25 %",
          dashed: true,
          points: shares.map((share) => play("learned", share)),
        },
        { name: "fixed age, 15 min – 16 h", points: ages.map((s) => play(`age:${s}`)) },
        { name: "N-sigma, N 1 – 12", points: sigmas.map((count) => play(`nsigma:${count}`)) },
        { name: "GFS", points: [play("gfs")] },
        { name: "max-peak", points: [play("max-peak")] },
      ],
    ),
  };
}
