import { defaults } from "../../config/defaults.ts";
import { timeNeed, windowValueMs } from "../../core/fit.ts";
import type { CycleSettings } from "../../core/snapshot.ts";
import type { SurvivalCurve } from "../../core/survival-curve.ts";
import type { DevicePolicy } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import type { Guest } from "./guest.ts";

/** Which of the devices on offer a guest takes; `useful` and `fit` ask the policy's forecast. */
export const windowOrders = ["useful", "fit", "longest_idle", "random"] as const;
export type WindowOrder = (typeof windowOrders)[number];

/** Chooses of devices, of which those that idle longest come first, at least one; ties go to the first. null: none will do. */
export type Choose = (guest: Guest, devices: readonly string[], curveOf: CurveOf) => string | null;

/** How long a device is believed to stay idle; null: nobody knows. */
type CurveOf = (device: string) => SurvivalCurve | null;

/** As far as the policy can tell: without a forecast the longest idle come first. */
export function ordersFor(policy: DevicePolicy, asked: readonly WindowOrder[]): WindowOrder[] {
  const can = asked.map((order) =>
    policy.curve === undefined && (order === "useful" || order === "fit") ? "longest_idle" : order,
  );
  return [...new Set(can)];
}

export function chooseBy(order: WindowOrder, rules: DeviceRules, random: () => number): Choose {
  switch (order) {
    case "useful":
      return (guest, devices, curveOf) => {
        const { horizonMs } = needOf(guest, rules);
        return best(devices, (device) => curveOf(device)?.expectedIdleMs(horizonMs) ?? 0);
      };
    case "fit":
      return (guest, devices, curveOf) => {
        const need = needOf(guest, rules);
        return best(devices, (device) => {
          const curve = curveOf(device);
          if (curve === null) return -Infinity;
          // Whether to wait for another look at the owner is the policy's own question: it has offered the device.
          const valueMs = windowValueMs(curve, need, times[rules.mode], settingsOf(rules));
          return valueMs > 0 ? valueMs : -Infinity;
        });
      };
    case "longest_idle":
      return (_, [first]) => first!;
    case "random":
      return (_, devices) => devices[Math.floor(random() * devices.length)]!;
  }
}

/** The first of those worth most; −∞: will not do. */
function best(devices: readonly string[], worth: (device: string) => number): string | null {
  let found: string | null = null;
  let most = -Infinity;
  for (const device of devices) {
    const value = worth(device);
    if (!(value > most)) continue;
    found = device;
    most = value;
  }
  return found;
}

function needOf({ durationS, checkpointS, doneS }: Guest, rules: DeviceRules) {
  const spec = {
    startMs: 1_000 * rules.startS,
    noticeMs: 1_000 * rules.vacateS,
    checkpointIntervalMs: 1_000 * checkpointS,
    durationHintMs: 1_000 * durationS,
  };
  return timeNeed({ spec, workedMs: 1_000 * doneS }, settingsOf(rules));
}

function settingsOf({ penaltyS, resumeS }: DeviceRules): CycleSettings {
  return {
    fitChanceMin: defaults.forecast.fitChanceMin,
    evictionPenaltyMs: 1_000 * penaltyS,
    pausePenaltyMs: 1_000 * resumeS,
    unheardMs: 0,
    horizonMs: defaults.forecast.horizonMs,
  };
}

/** No deadline is too short for a notice: what a trace's owner suffers is the penalty. */
const times = {
  kill: { firstRung: "vacate", recallDeadlineMs: Infinity },
  pause: { firstRung: "pause", recallDeadlineMs: Infinity },
} as const;
