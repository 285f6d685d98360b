import {
  decideKill,
  decidePause,
  type DeviceDecision,
  type HeldGuest,
} from "../../core/forecast/device-decision.ts";
import { DeviceForecast, defaultDeviceForecastSettings } from "../../core/forecast/device-forecast.ts";
import { LendOrWait, type LeaseCosts } from "../../core/forecast/lend-or-wait.ts";
import { MeetingPrice } from "../../core/forecast/meeting-price.ts";
import type { SurvivalCurve } from "../../core/survival-table.ts";
import type {
  DeviceAction,
  DeviceMoment,
  DevicePolicy,
  DeviceSample,
  MakeDevicePolicy,
  PolicyContext,
} from "../policy.ts";
import type { DeviceRules } from "../rules.ts";
import { numberArgument } from "./argument.ts";

/** What is believed of meetings in pause mode before any was seen: so many, of which so many end the guest. */
const believedMeetings = 13;
const believedEvictions = 1;

/** The forecast and the rule that production lends by, on the trace's clock. */
class LearnedDevices implements DevicePolicy {
  readonly #rules: DeviceRules;
  /** What a meeting costs where the command line says so, s. */
  readonly #metS: number | null;
  readonly #forecast: DeviceForecast;
  readonly #price: MeetingPrice | null;
  readonly #stops = new Map<string, LendOrWait>();
  /** All that were ever seen: an owner's number counts their days, telemetry or not. */
  readonly #devices = new Set<string>();
  /** Guests that ran when they were last looked at. */
  readonly #running = new Set<string>();
  readonly #pausedAtS = new Map<string, number>();
  #meetings = believedMeetings;
  #evictions = believedEvictions;
  #lastS = NaN;

  constructor(metS: number | null, { rules, meetingsPerGpuDayMax }: PolicyContext<DeviceRules>) {
    this.#rules = rules;
    this.#metS = metS;
    this.#forecast = new DeviceForecast({ ...defaultDeviceForecastSettings, gapMs: rules.holdS * 1_000 });
    this.#price = meetingsPerGpuDayMax === null ? null : new MeetingPrice(meetingsPerGpuDayMax);
  }

  decide(moment: DeviceMoment): DeviceAction[] {
    const { timeS, samples, guest } = moment;
    this.#countMeetings(moment);
    for (const { pool, device, owner, utilPct, memoryUsedMib } of samples)
      this.#forecast.observe({ pool, device, owner, utilPct, memoryUsedMib, atMs: timeS * 1_000 });
    this.#forecast.settle(timeS * 1_000);
    for (const { device, pool, fits } of samples) this.#weigh(device, pool, fits);
    const costs = this.#costs();
    for (const pool of new Set(samples.map((sample) => sample.pool))) this.#renew(pool, costs);
    const actions: DeviceAction[] = [];
    for (const sample of samples) {
      const { device } = sample;
      const state = guest(device);
      const held: HeldGuest =
        state === "none" || state === "running"
          ? { state }
          : { state: "paused", forS: timeS - (this.#pausedAtS.get(device) ?? timeS) };
      const action = this.#decideOn(sample, held, costs);
      if (action !== null) {
        this.#took(device, action, timeS);
        actions.push({ device, action, reason: reasons[action] });
      } else if (state === "running") this.#running.add(device);
    }
    return actions;
  }

  curve(device: string, timeS: number): SurvivalCurve | null {
    return this.#forecast.curve(device, timeS * 1_000);
  }

  #decideOn(
    { device, pool, fits }: DeviceSample,
    guest: HeldGuest,
    costs: LeaseCosts,
  ): DeviceDecision | null {
    const outlook = fits ? this.#forecast.outlook(device) : null;
    if (outlook === null) return null;
    const worthS = this.#stops.get(pool)!.worth(outlook.logOdds);
    if (this.#rules.mode === "kill") return decideKill(worthS, guest, costs);
    const intervalS = this.#forecast.intervalMs(pool) / 1_000;
    return decidePause(worthS, outlook.hazard, intervalS, guest, costs, this.#rules.pauseBudgetS);
  }

  #weigh(device: string, pool: string, fits: boolean): void {
    const outlook = fits ? this.#forecast.outlook(device) : null;
    if (outlook !== null) this.#price?.saw(outlook.hazard, this.#forecast.intervalMs(pool) / 1_000);
  }

  #took(device: string, action: DeviceDecision, timeS: number): void {
    if (action === "lend" || action === "resume") this.#running.add(device);
    else this.#running.delete(device);
    if (action === "pause") this.#pausedAtS.set(device, timeS);
    else this.#pausedAtS.delete(device);
  }

  #renew(pool: string, costs: LeaseCosts): void {
    let stop = this.#stops.get(pool);
    if (stop === undefined) this.#stops.set(pool, (stop = new LendOrWait()));
    stop.renew(this.#forecast.chain(pool)!, this.#forecast.intervalMs(pool), costs);
  }

  #costs(): LeaseCosts {
    const { mode, penaltyS, startS, vacateS, resumeS, unknown } = this.#rules;
    const evicted = this.#evictions / this.#meetings;
    const met = mode === "kill" ? penaltyS : resumeS + evicted * (penaltyS + vacateS + startS);
    return {
      start: startS,
      end: vacateS,
      met: Math.max(this.#metS ?? met, this.#price?.priceS ?? 0),
      lost: unknown === "evict" ? penaltyS : 0,
    };
  }

  /** Guests that ran, and do not now though we did nothing. */
  #countMeetings({ timeS, samples, guest, owner }: DeviceMoment): void {
    let meetings = 0;
    for (const device of this.#running) {
      if (guest(device) === "running" && owner(device) === "idle") continue;
      this.#running.delete(device);
      meetings += 1;
      if (guest(device) === "none") this.#evictions += 1;
    }
    this.#meetings += meetings;
    if (!Number.isNaN(this.#lastS))
      this.#price?.took(meetings, this.#devices.size, (timeS - this.#lastS) * 1_000);
    this.#lastS = timeS;
    for (const { device } of samples) this.#devices.add(device);
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
