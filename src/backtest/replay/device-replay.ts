import type { DevicePolicy, DeviceSample, DeviceVerb } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import type { DeviceTally } from "../score/device-tally.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import { DeviceTable, type WatchOf } from "./device-table.ts";

export interface DeviceDecision {
  readonly timeS: number;
  readonly device: string;
  readonly action: DeviceVerb;
  readonly reason: string;
}

export interface DeviceReplay {
  readonly tally: DeviceTally;
  readonly decisions: readonly DeviceDecision[];
}

/**
 * Plays a policy over a trace on the trace's own clock. Its decisions end with the last sample. `onProgress` is told the part that
 * was played, 0–1, now and then.
 */
export function replayDevices(
  trace: DeviceTrace,
  rules: DeviceRules,
  policy: DevicePolicy,
  onProgress: (part: number) => void,
  watchOf: WatchOf = () => null,
): DeviceReplay {
  const table = new DeviceTable(trace, rules, watchOf);
  const decisions: DeviceDecision[] = [];
  const decide = (timeS: number, samples: readonly DeviceSample[]) => {
    for (const { device, action, reason } of policy.decide(table.moment(timeS, samples))) {
      table.act(timeS, device, action);
      decisions.push({ timeS, device, action, reason });
    }
  };
  let nowS = -Infinity;
  for (const [index, timeS] of trace.timesS.entries()) {
    for (let wakeS = wakeOf(policy); wakeS < timeS; wakeS = wakeOf(policy)) {
      if (!(wakeS > nowS)) throw new Error(`a policy asks at ${nowS} s to be woken at ${wakeS} s`);
      nowS = wakeS;
      decide(nowS, []);
    }
    nowS = timeS;
    decide(nowS, table.observe(index));
    if (index % 256 === 0) onProgress(index / trace.timesS.length);
  }
  return { tally: table.finish(), decisions };
}

/** What decisions that were made in whatever way are worth; in order of time. */
export function playDecisions(
  trace: DeviceTrace,
  rules: DeviceRules,
  decisions: readonly Omit<DeviceDecision, "reason">[],
  watchOf: WatchOf = () => null,
): DeviceTally {
  const table = new DeviceTable(trace, rules, watchOf);
  let next = 0;
  const actBefore = (timeS: number) => {
    for (; next < decisions.length && decisions[next]!.timeS < timeS; next++) {
      const { timeS, device, action } = decisions[next]!;
      table.act(timeS, device, action);
    }
  };
  for (const [index, timeS] of trace.timesS.entries()) {
    actBefore(timeS);
    table.observe(index);
  }
  actBefore(table.traceEndS);
  table.ignore(decisions.slice(next));
  return table.finish();
}

export function wakeOf({ wakeAtS = Infinity }: DevicePolicy): number {
  return wakeAtS;
}
