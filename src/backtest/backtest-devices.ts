import { GleanerError } from "../errors/gleaner-error.ts";
import type { Guest } from "./guests/guest.ts";
import { guestFigures, type GuestFigures } from "./guests/guest-figures.ts";
import type { Guests } from "./guests/guests.ts";
import { chooseBy, ordersFor, type WindowOrder } from "./guests/window-order.ts";
import { clairvoyantDecisions } from "./policies/clairvoyant.ts";
import { choosePolicy } from "./policies/registry.ts";
import type { DevicePolicy, PolicyContext } from "./policy.ts";
import {
  playDecisions,
  replayDevices,
  type DeviceDecision,
  type DeviceReplay,
} from "./replay/device-replay.ts";
import { replayQueue } from "./replay/queue-replay.ts";
import { DeviceHarvest, idleOverTime, traceBuckets } from "./report/device-harvest.ts";
import { ForecastCheck, type ForecastFigures } from "./report/forecast-check.ts";
import type { DeviceRules } from "./rules.ts";
import { deviceBounds, type DeviceBounds } from "./score/device-bounds.ts";
import type { DeviceTally } from "./score/device-tally.ts";
import { idleRuns, type IdleRun } from "./score/idle-runs.ts";
import { telemetryTold, type TelemetryTold } from "./score/telemetry-told.ts";
import { seeded } from "./seeded.ts";
import type { DeviceTrace } from "./trace/device-trace.ts";

export interface DeviceBacktest {
  readonly telemetry: TelemetryTold;
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
  /** That, and with a finite queue the order too: what tells the result from the others. */
  readonly name: string;
  /** By which guests took devices, and how they fared; null: the queue was saturated. */
  readonly order: WindowOrder | null;
  readonly guests: GuestFigures | null;
  readonly tally: DeviceTally;
  readonly decisions: readonly DeviceDecision[];
  readonly harvest: DeviceHarvest;
  /** null: a policy without one, or told of it with another order. */
  readonly forecast: ForecastFigures | null;
}

/** A queue that may be empty. */
export interface FiniteQueue {
  readonly guests: Guests;
  /** Each policy is played with each of them; one without a forecast cannot rank by it and goes by the longest idle instead. */
  readonly orders: readonly WindowOrder[];
}

/** Told the policy at work, and how much of all is done, 0–1; policies count as equally long. */
export type OnProgress = (policy: string, done: number) => void;

/** Plays each policy over the trace, beside a saturated queue (null) or a finite one. Throws COMMAND_INVALID for policies that there are none of, before any is played. */
export function backtestDevices(
  trace: DeviceTrace,
  policies: readonly string[],
  context: PolicyContext<DeviceRules>,
  onProgress: OnProgress = () => {},
  queue: FiniteQueue | null = null,
): DeviceBacktest {
  const { rules } = context;
  const plays = policies.flatMap((text) => playsOf(text, context, queue));
  const runs = idleRuns(trace, rules);
  const buckets = traceBuckets(trace, rules.holdS);
  const results = plays.map(({ text, make, order, isFirst }, index): DeviceResult => {
    const onPart = (part: number) => onProgress(text, (index + part) / plays.length);
    const harvest = new DeviceHarvest(buckets, rules);
    const check = new ForecastCheck(rules.holdS);
    const replay = (): DeviceReplay & { readonly guests?: readonly Guest[] } => {
      if (make === null) return playClairvoyant(trace, rules, runs, harvest);
      const policy = isFirst ? check.watch(make()) : make();
      if (queue === null || order === null) return replayDevices(trace, rules, policy, onPart, () => harvest);
      const choose = chooseBy(order, rules, seeded(~context.seed));
      return replayQueue(trace, rules, policy, queue.guests, choose, onPart, harvest);
    };
    const { tally, decisions, guests = null } = replay();
    onPart(1);
    return {
      policy: text,
      name: order === null ? text : `${text}, ${order.replace("_", " ")}`,
      order,
      guests: guests === null ? null : guestFigures(guests, trace.timesS.at(-1)! + rules.holdS),
      tally,
      decisions,
      harvest,
      forecast: check.finish(),
    };
  });
  return {
    telemetry: telemetryTold(trace, rules),
    bounds: deviceBounds(runs, rules),
    deviceS: deviceSeconds(trace, rules),
    idleS: idleOverTime(runs, buckets),
    results,
  };
}

interface Play {
  readonly text: string;
  /** null: clairvoyant. */
  readonly make: (() => DevicePolicy) | null;
  /** null: the queue is saturated. */
  readonly order: WindowOrder | null;
  /** Of this policy. */
  readonly isFirst: boolean;
}

/** Throws COMMAND_INVALID. */
function playsOf(text: string, context: PolicyContext<DeviceRules>, queue: FiniteQueue | null): Play[] {
  const { make: makePolicy, argument } = choosePolicy(text, "devices");
  if (makePolicy === null && queue !== null)
    throw new GleanerError("COMMAND_INVALID", {
      problem: `${text} plans for a queue that is never empty: it does not play with --guests or --load`,
      command: "backtest",
    });
  if (makePolicy === null) return [{ text, make: null, order: null, isFirst: true }];
  const make = () => makePolicy(argument, context);
  const policy = make();
  const orders = queue === null ? [null] : ordersFor(policy, queue.orders);
  return orders.map((order, index) => ({ text, make, order, isFirst: index === 0 }));
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
