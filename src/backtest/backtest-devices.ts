import { clairvoyantDecisions } from "./policies/clairvoyant.ts";
import { choosePolicy } from "./policies/registry.ts";
import type { PolicyContext } from "./policy.ts";
import {
  playDecisions,
  replayDevices,
  type DeviceDecision,
  type DeviceReplay,
} from "./replay/device-replay.ts";
import { DeviceHarvest, idleOverTime, traceBuckets } from "./report/device-harvest.ts";
import { ForecastCheck, type ForecastFigures } from "./report/forecast-check.ts";
import type { DeviceRules } from "./rules.ts";
import { deviceBounds, type DeviceBounds } from "./score/device-bounds.ts";
import type { DeviceTally } from "./score/device-tally.ts";
import { idleRuns, type IdleRun } from "./score/idle-runs.ts";
import type { DeviceTrace } from "./trace/device-trace.ts";

export interface DeviceBacktest {
  readonly bounds: DeviceBounds;
  /** Each device from its first sample to the trace's end. */
  readonly deviceS: number;
  /** In each of the buckets of the results' harvests, GPU-seconds. */
  readonly idleS: readonly number[];
  readonly results: readonly DeviceResult[];
}

export interface DeviceResult {
  /** As it was asked for. */
  readonly policy: string;
  readonly tally: DeviceTally;
  readonly decisions: readonly DeviceDecision[];
  readonly harvest: DeviceHarvest;
  /** null: a policy without one. */
  readonly forecast: ForecastFigures | null;
}

/** Told the policy at work, and how much of all is done, 0–1; policies count as equally long. */
export type OnProgress = (policy: string, done: number) => void;

/** Plays each policy over the trace. Throws COMMAND_INVALID for policies that there are none of, before any is played. */
export function backtestDevices(
  trace: DeviceTrace,
  policies: readonly string[],
  context: PolicyContext<DeviceRules>,
  onProgress: OnProgress = () => {},
): DeviceBacktest {
  const { rules } = context;
  const choices = policies.map((text) => {
    const { make, argument } = choosePolicy(text, "devices");
    return { text, policy: make === null ? null : make(argument, context) };
  });
  const runs = idleRuns(trace, rules);
  const buckets = traceBuckets(trace, rules.holdS);
  const results = choices.map(({ text, policy }, index): DeviceResult => {
    const onPart = (part: number) => onProgress(text, (index + part) / choices.length);
    const harvest = new DeviceHarvest(buckets, rules);
    const check = new ForecastCheck(rules.holdS);
    const { tally, decisions } =
      policy === null
        ? playClairvoyant(trace, rules, runs, harvest)
        : replayDevices(trace, rules, check.watch(policy), onPart, () => harvest);
    onPart(1);
    return { policy: text, tally, decisions, harvest, forecast: check.finish() };
  });
  return {
    bounds: deviceBounds(runs, rules),
    deviceS: deviceSeconds(trace, rules),
    idleS: idleOverTime(runs, buckets),
    results,
  };
}

function playClairvoyant(
  trace: DeviceTrace,
  rules: DeviceRules,
  runs: readonly (readonly IdleRun[])[],
  harvest: DeviceHarvest,
): DeviceReplay {
  const decisions = clairvoyantDecisions(trace.devices, runs, rules);
  return { tally: playDecisions(trace, rules, decisions, () => harvest), decisions };
}

function deviceSeconds({ timesS, firstRow, device, devices }: DeviceTrace, { holdS }: DeviceRules): number {
  const traceEndS = timesS.at(-1)! + holdS;
  const seen = new Uint8Array(devices.length);
  let totalS = 0;
  for (const [moment, timeS] of timesS.entries())
    for (let row = firstRow[moment]!; row < firstRow[moment + 1]!; row++) {
      if (seen[device[row]!] === 1) continue;
      seen[device[row]!] = 1;
      totalS += traceEndS - timeS;
    }
  return totalS;
}
