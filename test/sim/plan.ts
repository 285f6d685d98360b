import type { Settings } from "../../src/config/settings.ts";
import type { DeviceInfo } from "../../src/core/device.ts";
import type { GuestSpec } from "../../src/core/guest.ts";
import type { Rung } from "../../src/core/policy.ts";
import type { Fault } from "./faults.ts";
import type { Program } from "./world/guests.ts";

/** What an owner does with one device. Ms of the world, from the beginning of the run. */
export interface OwnerAct {
  readonly atMs: number;
  readonly device: string;
  /** `works`: it just starts. `recalls`: it asks for the device first. `announces`: a Busy hint goes before. */
  readonly kind: "works" | "recalls" | "announces";
  readonly deadlineMs: number;
  readonly firstRung: Rung | null;
  readonly worksMs: number;
  /** Of a recall: at the agent itself, or at a controller. */
  readonly asksAgent: boolean;
}

export interface PlannedGuest {
  readonly key: string;
  readonly atMs: number;
  readonly spec: GuestSpec;
  readonly program: Program;
  /** null: nobody cancels it. */
  readonly cancelAtMs: number | null;
}

/** All that happens in one run, as data: what is left out changes nothing of the rest. */
export interface Scenario {
  readonly seed: number;
  readonly settings: Settings;
  readonly controllers: number;
  readonly hosts: readonly { readonly name: string; readonly devices: readonly DeviceInfo[] }[];
  readonly sharesCheckpoints: boolean;
  readonly guests: readonly PlannedGuest[];
  readonly owners: readonly OwnerAct[];
  readonly faults: readonly Fault[];
  /** As many as there are devices, and of such length that they need them all at once: handed in when all has healed. */
  readonly proofs: readonly PlannedGuest[];
  /** Of how much the last ms before it Redis forgets in a crash, at most. */
  readonly redisLossMsMax: number;
}

/** Of any pool and model. */
export const wholeDevice: GuestSpec["shape"] = {
  devices: 1,
  sharePermille: 1_000,
  memoryMib: null,
  model: "",
  pools: [],
};

export function guestSpec(name: string, shape: GuestSpec["shape"], retries: number): GuestSpec {
  return {
    tenant: "red",
    name,
    kind: "batch",
    workload: { kind: "process", command: ["program", name], env: {}, workingDir: "" },
    shape,
    priority: 50,
    checkpointIntervalMs: null,
    startMs: 0,
    noticeMs: 1_500,
    durationHintMs: null,
    retries,
    evictionsMax: 1_000,
    notBeforeMs: null,
    trustGroup: "",
    labels: {},
  };
}
