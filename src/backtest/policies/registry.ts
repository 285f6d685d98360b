import { GleanerError } from "../../errors/gleaner-error.ts";
import type { MakeDevicePolicy, MakePoolPolicy } from "../policy.ts";
import { ageDevices } from "./age-devices.ts";
import { agePools } from "./age-pools.ts";
import { learnedDevices } from "./learned-devices.ts";
import { learnedPools } from "./learned-pools.ts";
import { gfs } from "./gfs.ts";
import { lendAllDevices, lendAllPools } from "./lend-all.ts";
import { maxPeak, nSigma } from "./peak.ts";

export type Shape = "devices" | "pools";

interface Makers {
  readonly devices: MakeDevicePolicy;
  readonly pools: MakePoolPolicy;
}

/** Causal policies by the name before the colon, for the shapes that they can work on. A new one needs one line here. */
const policies: Readonly<Record<string, Partial<Makers>>> = {
  age: { devices: ageDevices, pools: agePools },
  learned: { devices: learnedDevices, pools: learnedPools },
  gfs: { pools: gfs },
  "lend-all": { devices: lendAllDevices, pools: lendAllPools },
  "max-peak": { pools: maxPeak },
  nsigma: { pools: nSigma },
};

/** Knows the future: the measure of the others, and none of them. */
export const clairvoyant = "clairvoyant";

/** A policy as the command line names it, `name` or `name:argument`. */
export interface PolicyChoice<Make> {
  readonly text: string;
  readonly argument: string | null;
  /** null: clairvoyant. */
  readonly make: Make | null;
}

/** Throws COMMAND_INVALID for a name that is none, or none for this shape. */
export function choosePolicy<S extends Shape>(text: string, shape: S): PolicyChoice<Makers[S]> {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const argument = colon < 0 ? null : text.slice(colon + 1);
  if (text === clairvoyant) return { text, argument, make: null };
  const make = Object.hasOwn(policies, name) ? policies[name]![shape] : undefined;
  if (make !== undefined) return { text, argument, make };
  throw new GleanerError("COMMAND_INVALID", {
    problem: `no policy ${JSON.stringify(text)} for ${shape}; there are ${policyNames(shape).join(", ")}`,
    command: "backtest",
  });
}

export function policyNames(shape: Shape): string[] {
  const causal = Object.keys(policies).filter((name) => policies[name]![shape] !== undefined);
  return [...causal, clairvoyant];
}
