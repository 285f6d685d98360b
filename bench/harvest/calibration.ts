import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import { learnedDevices } from "../../src/backtest/policies/learned-devices.ts";
import type { DevicePolicy } from "../../src/backtest/policy.ts";
import { replayDevices } from "../../src/backtest/replay/device-replay.ts";
import { defaultDeviceRules as rules } from "../../src/backtest/rules.ts";
import { readDeviceTrace, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import type { Calibration } from "../../src/core/forecast/calibration.ts";
import { ForecastAudit } from "../../src/core/forecast/forecast-audit.ts";
import { horizonsMs } from "../../src/core/forecast/questions.ts";
import type { Figures, Section } from "./figures.ts";

const minuteMs = 60_000;
const names = horizonsMs.map((horizonMs) => `said${horizonMs / minuteMs}min`);
const context = { rules, meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };

/** What the forecast says of owners' returns against what comes, percentage points: over all, and where it could be worse. */
export const calibration: Section = {
  trace: "genai.devices.csv.gz",
  targets: Object.fromEntries(names.map((name) => [`${name}OffByPp`, { max: 1 }])),
  async measure(path) {
    const trace = await readDeviceTrace(path);
    return { ...overAll(trace), ...halves(trace) };
  },
};

function overAll(trace: DeviceTrace): Figures {
  const { reliability } = backtestDevices(trace, ["learned"], context).results[0]!.forecast!;
  return Object.fromEntries(
    reliability.flatMap(({ count, said, came, interval, brier, bins }, horizon) => {
      const name = names[horizon]!;
      const apart = bins.map((bin) => (bin.count === 0 ? 0 : bin.count * Math.abs(bin.said! - bin.came!)));
      return [
        [`${name}OffByPp`, 100 * Math.abs(said! - came!)],
        [`${name}LessCamePp`, 100 * (said! - came!)],
        [`${name}LessCamePpLow`, 100 * interval!.low],
        [`${name}LessCamePpHigh`, 100 * interval!.high],
        [`${name}Brier`, brier!],
        // Weighed by how often each tenth was said.
        [`${name}TenthsApartPp`, (100 * apart.reduce((sum, value) => sum + value, 0)) / count],
      ];
    }),
  );
}

/** One forecast of all, judged on every other device, and on each half of the time. */
function halves(trace: DeviceTrace): Figures {
  const audit = new ForecastAudit(rules.holdS * 1_000);
  const halfOf = new Map(trace.devices.map((device, index) => [device, index % 2 === 0 ? "even" : "odd"]));
  replayDevices(trace, rules, watched(learnedDevices(null, context), audit, halfOf), () => {});
  const middleMs = (trace.timesS[0]! + trace.timesS.at(-1)!) * 500;
  return {
    ...named("EvenDevices", audit.figures("even")),
    ...named("OddDevices", audit.figures("odd")),
    ...named("FirstHalf", audit.figures(null, -Infinity, middleMs - minuteMs)),
    ...named("LastHalf", audit.figures(null, middleMs + minuteMs)),
  };
}

function watched(
  policy: DevicePolicy,
  audit: ForecastAudit,
  halfOf: ReadonlyMap<string, string>,
): DevicePolicy {
  return {
    decide(moment) {
      const { timeS, samples } = moment;
      for (const { device, owner } of samples)
        audit.observe(halfOf.get(device)!, device, owner, timeS * 1_000);
      const actions = [...policy.decide(moment)];
      for (const { device, owner } of samples)
        if (owner === "idle") audit.ask(device, timeS * 1_000, () => policy.curve!(device, timeS));
      return actions;
    },
  };
}

function named(part: string, figures: readonly Calibration[]): Figures {
  return Object.fromEntries(
    figures.map(({ said, came }, horizon) => [`${names[horizon]!}LessCamePp${part}`, 100 * (said! - came!)]),
  );
}
