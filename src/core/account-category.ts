import type { OwnerState } from "./device.ts";
import type { LiveLeaseState } from "./lease.ts";

/** What one part of a device does at one instant; exactly one of these (I8). */
export const categories = [
  "owner_busy",
  "idle_unlent",
  "starting",
  "useful",
  "paused",
  "lost",
  "handing_back",
  "quarantined",
  "unknown",
] as const;
export type Category = (typeof categories)[number];

/**
 * The category of a leased share, by the lease's state and the owner's. Time of a running lease counts as useful until the
 * lease ends; what its end shows to be lost is moved then. While the owner is busy beside a lease that should have stopped,
 * the owner waits: that is handing back.
 */
export const leasedCategory: Readonly<Record<LiveLeaseState, Readonly<Record<OwnerState, Category>>>> = {
  starting: { busy: "handing_back", idle: "starting", unknown: "starting" },
  running: { busy: "handing_back", idle: "useful", unknown: "useful" },
  paused: { busy: "owner_busy", idle: "paused", unknown: "paused" },
  vacating: { busy: "handing_back", idle: "handing_back", unknown: "handing_back" },
  killing: { busy: "handing_back", idle: "handing_back", unknown: "handing_back" },
};

/** The category of what is not leased. */
export const unleasedCategory: Readonly<Record<OwnerState, Category>> = {
  busy: "owner_busy",
  idle: "idle_unlent",
  unknown: "unknown",
};
