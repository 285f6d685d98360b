import { DeviceForecast, defaultDeviceForecastSettings } from "../../core/forecast/device-forecast.ts";
import { LendOrWait, type LeaseCosts } from "../../core/forecast/lend-or-wait.ts";
import { MeetingPrice } from "../../core/forecast/meeting-price.ts";
import type {
  DeviceAction,
  DeviceMoment,
  DevicePolicy,
  DeviceSample,
  MakeDevicePolicy,
  PolicyContext,
} from "../policy.ts";
import type { DeviceRules } from "../rules.ts";

/** A pause by ourselves that has lasted for this share of the budget, with no end in sight, becomes a hand-back. */
const ownPauseShareMax = 1 / 12;

class LearnedDevices implements DevicePolicy {
  readonly #rules: DeviceRules;
  readonly #forecast: DeviceForecast;
  readonly #price: MeetingPrice | null;
  readonly #stops = new Map<string, LendOrWait>();
  readonly #running = new Set<string>();
  readonly #pausedAtS = new Map<string, number>();
  #meetings = 2;
  #evictions = 0.15;
  #lastS = NaN;

  constructor({ rules, meetingsPerGpuDayMax }: PolicyContext<DeviceRules>) {
    this.#rules = rules;
    this.#forecast = new DeviceForecast({ ...defaultDeviceForecastSettings, gapMs: rules.holdS * 1_000 });
    this.#price = meetingsPerGpuDayMax === null ? null : new MeetingPrice(meetingsPerGpuDayMax);
  }

  decide(moment: DeviceMoment): DeviceAction[] {
    const { timeS, samples, guest } = moment;
    this.#countMeetings(moment);
    for (const { pool, device, owner, utilPct, memoryUsedMib } of samples)
      this.#forecast.observe({ pool, device, owner, utilPct, memoryUsedMib, atMs: timeS * 1_000 });
    this.#forecast.settle(timeS * 1_000);
    const costs = this.#costs();
    for (const pool of new Set(samples.map((sample) => sample.pool))) this.#renew(pool, costs);
    const actions: DeviceAction[] = [];
    for (const sample of samples) {
      const action = this.#decideOn(sample, timeS, costs, guest(sample.device));
      if (action !== null) actions.push({ device: sample.device, ...action });
    }
    return actions;
  }

  #decideOn(
    sample: DeviceSample,
    timeS: number,
    costs: LeaseCosts,
    guest: string,
  ): Omit<DeviceAction, "device"> | null {
    const { device, pool } = sample;
    const outlook = sample.fits ? this.#forecast.outlook(device) : null;
    if (outlook === null) return null;
    const intervalS = this.#forecast.intervalMs(pool) / 1_000;
    const worth = this.#stops
      .get(pool)!
      .worth(this.#forecast.chain(pool)!, outlook.logOdds, intervalS, intervalS / 60, costs);
    if (guest === "none") {
      if (!(worth > costs.start)) return null;
      this.#running.add(device);
      return { action: "lend", reason: "worth_it" };
    }
    if (this.#rules.mode === "kill") {
      if (!(worth < -costs.end)) return null;
      this.#running.delete(device);
      return { action: "vacate", reason: "return_likely" };
    }
    const likely = outlook.hazard * costs.met > intervalS;
    if (guest === "running") {
      if (!likely) return null;
      this.#pausedAtS.set(device, timeS);
      this.#running.delete(device);
      return { action: "pause", reason: "return_likely" };
    }
    if (!likely) {
      this.#running.add(device);
      return { action: "resume", reason: "return_unlikely" };
    }
    if (timeS - this.#pausedAtS.get(device)! < this.#rules.pauseBudgetS * ownPauseShareMax) return null;
    return { action: "vacate", reason: "return_likely" };
  }

  #renew(pool: string, costs: LeaseCosts): void {
    let stop = this.#stops.get(pool);
    if (stop === undefined) this.#stops.set(pool, (stop = new LendOrWait()));
    const intervalS = this.#forecast.intervalMs(pool) / 1_000;
    stop.renew(this.#forecast.chain(pool)!, intervalS, intervalS / 60, costs);
  }

  #costs(): LeaseCosts {
    const { mode, penaltyS, startS, vacateS, resumeS, unknown } = this.#rules;
    const evicted = this.#evictions / this.#meetings;
    const met = mode === "kill" ? penaltyS : resumeS + evicted * (penaltyS + vacateS + startS);
    return {
      start: startS,
      end: vacateS,
      met: met * (this.#price?.factor ?? 1),
      lost: unknown === "evict" ? penaltyS : 0,
    };
  }

  /** An owner that is back where a guest was running. */
  #countMeetings({ timeS, samples, guest }: DeviceMoment): void {
    let meetings = 0;
    for (const { device, owner } of samples) {
      if (owner === "idle") {
        if (guest(device) === "running") this.#running.add(device);
        continue;
      }
      if (!this.#running.delete(device)) continue;
      if (owner === "busy") meetings += 1;
    }
    this.#meetings += meetings;
    if (!Number.isNaN(this.#lastS))
      this.#price?.took(meetings, samples.length, (timeS - this.#lastS) * 1_000);
    this.#lastS = timeS;
  }
}

/** The forecast and the rule that production lends by. */
export const learnedDevices: MakeDevicePolicy = (_argument, context) => new LearnedDevices(context);
