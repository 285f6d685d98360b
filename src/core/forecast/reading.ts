import type { DeviceUuid, OwnerState } from "../device.ts";

/** What one sample tells the forecast. Times of one device rise; one that does not is ignored. */
export interface Reading {
  readonly pool: string;
  readonly device: DeviceUuid;
  readonly atMs: number;
  readonly owner: OwnerState;
  /** 0–100; null: missing. */
  readonly utilPct: number | null;
  /** null: missing, or not the owner's alone. */
  readonly memoryUsedMib: number | null;
}
