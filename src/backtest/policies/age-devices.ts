import type { DeviceAction, DeviceMoment, DevicePolicy, MakeDevicePolicy } from "../policy.ts";
import { numberArgument } from "./argument.ts";

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

/** Named for the peers that lend so: gpu-pruner after 30 minutes without utilisation, HTCondor's classic policy after 15. */
export const ageDevices: MakeDevicePolicy = (argument) =>
  new FixedAge(numberArgument(argument, "age", 1_800));
