import type { DeviceAction, DeviceMoment, DevicePolicy, PoolMoment, PoolPolicy } from "../policy.ts";

/** Lends whatever is idle at once, and never leaves by itself: what ignoring owners would gain. */
export const lendAllDevices = (): DevicePolicy => ({
  *decide({ samples, guest }: DeviceMoment): Iterable<DeviceAction> {
    for (const { device, owner, fits } of samples)
      if (owner === "idle" && fits && guest(device) === "none")
        yield { device, action: "lend", reason: "idle" };
  },
});

export const lendAllPools = (): PoolPolicy => ({
  *decide({ samples }: PoolMoment) {
    for (const { pool, idle } of samples) yield { pool, lent: idle, reason: "idle" };
  },
});
