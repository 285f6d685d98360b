import type { MakeDevicePolicy, MakePoolPolicy } from "../policy.ts";
import { age } from "./age.ts";
import { lendAllDevices, lendAllPools } from "./lend-all.ts";

/** A policy that the command line knows, for the shapes of traces that it can work on. */
interface Entry {
  readonly devices?: MakeDevicePolicy;
  readonly pools?: MakePoolPolicy;
}

/** By the name before the colon. One that is causal needs one line here. */
export const policies: Readonly<Record<string, Entry>> = {
  age: { devices: age },
  "lend-all": { devices: lendAllDevices, pools: lendAllPools },
};
