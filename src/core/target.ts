import type { DeviceInfo, DeviceUuid } from "./device.ts";

/** What an owner's call speaks of. `devices: 0` in a pool means all of it. */
export type Target =
  | { readonly kind: "devices"; readonly uuids: readonly DeviceUuid[] }
  | { readonly kind: "pool"; readonly pool: string; readonly devices: number }
  | { readonly kind: "fleet" };

export function targetCovers(target: Target, device: Pick<DeviceInfo, "uuid" | "pool">): boolean {
  switch (target.kind) {
    case "devices":
      return target.uuids.includes(device.uuid);
    case "pool":
      return target.pool === device.pool;
    case "fleet":
      return true;
  }
}

/** A reason not to lend; a device may be lent only when no live hold covers it. */
export interface Hold {
  readonly id: string;
  readonly target: Target;
  readonly reason: string;
  readonly createdAtMs: number;
  /** null: until it is ended. */
  readonly expiresAtMs: number | null;
}
