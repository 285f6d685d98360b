import { GleanerError } from "../../errors/gleaner-error.ts";
import type { DeviceAction, DeviceMoment, DevicePolicy, MakeDevicePolicy } from "../policy.ts";

/** Lends a device once it has been idle for a fixed time, and never leaves by itself. */
class FixedAge implements DevicePolicy {
  readonly #ageS: number;
  /** When each idle device that is not lent will have been idle for long enough, s. */
  readonly #dueAtS = new Map<string, number>();

  constructor(ageS: number) {
    this.#ageS = ageS;
  }

  get wakeAtS(): number {
    let soonestS = Infinity;
    for (const atS of this.#dueAtS.values()) soonestS = Math.min(soonestS, atS);
    return soonestS;
  }

  decide({ timeS, samples, owner, guest }: DeviceMoment): DeviceAction[] {
    for (const { device, owner, fits, sinceS } of samples)
      if (owner === "idle" && fits && guest(device) === "none") this.#dueAtS.set(device, sinceS + this.#ageS);
      else this.#dueAtS.delete(device);
    const actions: DeviceAction[] = [];
    for (const [device, atS] of this.#dueAtS) {
      if (atS > timeS) continue;
      this.#dueAtS.delete(device);
      if (owner(device) === "idle") actions.push({ device, action: "lend", reason: "age_reached" });
    }
    return actions;
  }
}

export const age: MakeDevicePolicy = (argument) => {
  const ageS = Number(argument ?? NaN);
  if (argument !== null && argument !== "" && ageS >= 0 && ageS < Infinity) return new FixedAge(ageS);
  throw new GleanerError("COMMAND_INVALID", {
    problem: `age needs seconds from 0 on, such as age:1800, not ${JSON.stringify(argument ?? "")}`,
    command: "backtest",
  });
};
