import type { DeviceDecision, HeldGuest } from "../../core/forecast/device-decision.ts";
import { DeviceLending } from "../../core/forecast/device-lending.ts";
import type { SurvivalCurve } from "../../core/survival-curve.ts";
import type { DeviceAction, DeviceMoment, DevicePolicy, MakeDevicePolicy, PolicyContext } from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import { numberArgument } from "./argument.ts";

/** The forecast and the rule that production lends by, on the trace's clock. All pools are one owner's. */
class LearnedDevices implements DevicePolicy {
  readonly #lending: DeviceLending;
  readonly #rules: DeviceRules;
  /** Of each device, its pool and the time of its last reading, s. */
  readonly #read = new Map<string, { readonly pool: string; readonly atS: number }>();
  /** Guests that ran when they were last looked at. */
  readonly #running = new Set<string>();
  readonly #pausedAtS = new Map<string, number>();
  /** Guests that a meeting paused, until they go on or are ended by it. */
  readonly #met = new Set<string>();

  constructor(plannedMetS: number | null, { rules, meetingsPerGpuDayMax }: PolicyContext<DeviceRules>) {
    const terms = {
      met: rules.mode,
      startS: rules.startS,
      endS: rules.vacateS,
      evictedS: rules.penaltyS,
      resumeS: rules.resumeS,
      lostS: rules.unknown === "evict" ? rules.penaltyS : 0,
      lostIsMet: rules.mode === "pause",
      pauseBudgetS: rules.pauseBudgetS,
      plannedMetS,
      limit: meetingsPerGpuDayMax === null ? null : { owner: "", perGpuDayMax: meetingsPerGpuDayMax },
      keptFree: false,
    };
    this.#rules = rules;
    this.#lending = new DeviceLending(rules.holdS * 1_000, () => terms);
  }

  decide(moment: DeviceMoment): DeviceAction[] {
    const { timeS, samples, guest } = moment;
    const nowMs = timeS * 1_000;
    this.#countMeetings(moment);
    for (const { pool, device, owner, utilPct, memoryUsedMib } of samples) {
      this.#read.set(device, { pool, atS: timeS });
      this.#lending.observe({ pool, device, owner, utilPct, memoryUsedMib, atMs: nowMs });
    }
    const fitting = new Set(samples.filter(({ fits }) => fits).map(({ device }) => device));
    this.#lending.settle(nowMs, (device) => fitting.has(device));
    const actions: DeviceAction[] = [];
    for (const { device, fits } of samples) {
      const state = guest(device);
      const held: HeldGuest =
        state === "none" || state === "running"
          ? { state }
          : { state: "paused", forS: timeS - (this.#pausedAtS.get(device) ?? timeS) };
      const action = fits ? this.#lending.decide(device, held, nowMs) : null;
      if (action !== null) {
        this.#took(device, action, timeS);
        actions.push({ device, action, reason: reasons[action] });
      } else if (state === "running") this.#running.add(device);
    }
    return actions;
  }

  curve(device: string, timeS: number): SurvivalCurve | null {
    return this.#lending.curve(device, timeS * 1_000);
  }

  #took(device: string, action: DeviceDecision, timeS: number): void {
    if (action === "lend" || action === "resume") this.#running.add(device);
    else this.#running.delete(device);
    if (action === "pause") this.#pausedAtS.set(device, timeS);
    else this.#pausedAtS.delete(device);
  }

  /**
   * Guests that stood still or ended since they were last looked at, though we did nothing. That a device was lost to sight
   * counts as the rules have it: it pauses a guest as an owner would, or ends it without anybody having met it.
   */
  #countMeetings({ timeS, guest, owner, turnover }: DeviceMoment): void {
    const { mode, holdS } = this.#rules;
    for (const device of this.#met) {
      const state = guest(device);
      if (state === "paused_by_owner") continue;
      this.#met.delete(device);
      if (state === "none") this.#lending.evicted(this.#read.get(device)!.pool);
    }
    for (const [device, holds] of turnover)
      if (holds) this.#running.add(device);
      else this.#running.delete(device);
    for (const device of this.#running) {
      const { pool, atS } = this.#read.get(device)!;
      const wasLost = owner(device) === "unknown" || timeS - atS > holdS;
      if (guest(device) === "running" && owner(device) === "idle" && !wasLost) continue;
      this.#running.delete(device);
      if (wasLost && mode === "kill") continue;
      this.#lending.met(pool);
      if (guest(device) === "none") this.#lending.evicted(pool);
      else this.#met.add(device);
    }
  }
}

const reasons: Readonly<Record<DeviceDecision, string>> = {
  lend: "window_worth_it",
  vacate: "return_likely",
  pause: "return_likely",
  resume: "return_unlikely",
};

/** `learned`, or `learned:S` where a meeting counts S seconds instead of what the rules make it cost. */
export const learnedDevices: MakeDevicePolicy = (argument, context) =>
  new LearnedDevices(argument === null ? null : numberArgument(argument, "learned", 0), context);
