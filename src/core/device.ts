/** Name of one schedulable GPU or MIG instance, as the driver gives it. */
export type DeviceUuid = string;

/** What never changes while the device is there. */
export interface DeviceInfo {
  readonly uuid: DeviceUuid;
  readonly host: string;
  readonly pool: string;
  readonly model: string;
  readonly index: number;
  /** null: not told by telemetry. */
  readonly memoryTotalMib: number | null;
}

/** Whose work the utilisation of a sample is: the owner's alone, or the whole device's with guests included. */
export type Attribution = "owner" | "device";

/** One reading of one device. null is missing telemetry, never 0. */
export interface Sample {
  readonly device: DeviceUuid;
  /** Time of the reading, ms. */
  readonly atMs: number;
  readonly attribution: Attribution;
  /** 0–100. */
  readonly utilPct: number | null;
  /** DCGM_FI_PROF_GR_ENGINE_ACTIVE, 0–1. */
  readonly engineActiveRatio: number | null;
  readonly memoryUsedMib: number | null;
  readonly memoryFreeMib: number | null;
  /** Processes of the owner on the device; null where the source cannot tell. */
  readonly ownerProcesses: number | null;
  /** Namespace/pod that the device is allocated to; null where nobody or not known. */
  readonly pod: string | null;
}

/** Idleness has three values, and only `idle` may be lent (I6). */
export type OwnerState = "busy" | "idle" | "unknown";

/** What the telemetry says of the owner of one device, and why. */
export interface Idleness {
  readonly state: OwnerState;
  /** A word for machines, for instance `util_above_zero`, `stale`, `contradictory`. */
  readonly reason: string;
}
