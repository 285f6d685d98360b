import type { MakeDevicePolicy, MakePoolPolicy } from "../policy.ts";
import { noArgument } from "./argument.ts";

/** Lend whatever is idle at once and never leave: the most that can be gained gross, and the most that owners can be hindered. */

export const lendAllDevices: MakeDevicePolicy = (argument) => {
  noArgument(argument, "lend-all");
  return {
    *decide({ samples, guest }) {
      for (const { device, owner, fits } of samples)
        if (owner === "idle" && fits && guest(device) === "none")
          yield { device, action: "lend", reason: "idle" };
    },
  };
};

export const lendAllPools: MakePoolPolicy = (argument) => {
  noArgument(argument, "lend-all");
  return {
    *decide({ samples }) {
      for (const { pool, idle } of samples) yield { pool, lent: idle, reason: "idle" };
    },
  };
};
