import { playDecisions, type DeviceDecision } from "../../src/backtest/replay/device-replay.ts";
import type { DeviceRules } from "../../src/backtest/rules.ts";
import { DeviceTraceBuilder, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";

const dayS = 86_400;

export interface DeviceMeetings {
  readonly meetings: number;
  readonly days: number;
}

/** How often the owner of each device met a guest: what is decided of one device does not touch the others. */
export function meetingsByDevice(
  trace: DeviceTrace,
  rules: DeviceRules,
  decisions: readonly DeviceDecision[],
): DeviceMeetings[] {
  const decided = Map.groupBy(decisions, ({ device }) => device);
  const endS = trace.timesS.at(-1)! + rules.holdS;
  return byDevice(trace).map((own) => {
    const { meetings } = playDecisions(own, rules, decided.get(own.devices[0]!) ?? []);
    return { meetings, days: (endS - own.timesS[0]!) / dayS };
  });
}

function byDevice(trace: DeviceTrace): DeviceTrace[] {
  const builders = trace.devices.map(() => new DeviceTraceBuilder());
  for (const [moment, timeS] of trace.timesS.entries())
    for (let row = trace.firstRow[moment]!; row < trace.firstRow[moment + 1]!; row++) {
      const device = trace.device[row]!;
      builders[device]!.add(
        timeS,
        trace.devices[device]!,
        trace.pools[trace.pool[row]!]!,
        trace.utilPct[row]!,
        trace.memoryUsedMib[row]!,
      );
    }
  return builders.map((builder) => builder.build());
}
