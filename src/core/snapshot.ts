import type { DeviceInfo, OwnerState } from "./device.ts";
import type { WaitingGuest } from "./guest.ts";
import type { Lease } from "./lease.ts";
import type { PoolPolicy } from "./policy.ts";
import type { ReasonCode } from "./reasons.ts";
import type { SurvivalCurve } from "./survival-curve.ts";

/**
 * All that one cycle of decisions knows. Plain values only. Views are never changed once they are in a snapshot: a device
 * or guest of which nothing changed is best handed in again as the same object, which costs the next cycle nothing.
 */
export interface Snapshot {
  /** Monotonic. */
  readonly nowMs: number;
  readonly devices: readonly DeviceView[];
  /** By pool; a device whose pool has none here is not lent. */
  readonly pools: ReadonlyMap<string, PoolView>;
  /** In any order. */
  readonly guests: readonly WaitingGuest[];
  /** A tenant that is missing has used nothing and weighs 1. */
  readonly tenants: readonly TenantUse[];
  readonly limits: CycleLimits;
}

/** One device now. */
export interface DeviceView {
  readonly info: DeviceInfo;
  readonly owner: OwnerState;
  readonly ownerReason: string;
  /** Monotonic; since when the owner is in this state. */
  readonly ownerSinceMs: number;
  /**
   * How long the owner stays away from now on; null: no forecast, so nothing is lent. Devices of one pool that share the
   * object are interchangeable, which is what makes a large cycle fast.
   */
  readonly curve: SurvivalCurve | null;
  /** To lend it now is worth more than to wait for another reading. */
  readonly worthLending: boolean;
  /** The live ones that hold a part of it. */
  readonly leases: readonly Pick<Lease, "grants" | "trustGroup">[];
  /** null: usable. */
  readonly quarantineReason: string | null;
  /** The caller's own reason not to lend it, in its word: a hold, a Busy hint, the rest after a recall. */
  readonly heldBy: Extract<ReasonCode, "held" | "hinted" | "cool_down"> | null;
  /** The pool's idleMsMin × the breaker's factor. */
  readonly requiredIdleMs: number;
  /** null: not known. */
  readonly memoryUsedByOwnerMib: number | null;
  readonly agentConnected: boolean;
}

/** A pool's rules, with what depends on the clock or the books already answered. */
export interface PoolView {
  readonly policy: PoolPolicy;
  readonly windowOpen: boolean;
  /** False: returns met guests as often as the owner allows. */
  readonly meetingsAllowed: boolean;
  /** Devices that may be lent at once, so that the rest is there for the owner; null: no limit. */
  readonly lentMax: number | null;
}

/** What a tenant had so far, forgotten over time. */
export interface TenantUse {
  readonly tenant: string;
  readonly weight: number;
  readonly usedDeviceMs: number;
}

export interface CycleLimits {
  /** Guests lent in one cycle. */
  readonly lendsMax: number;
}

/** What a cycle is told once. */
export interface CycleSettings {
  /** A guest is lent a device only where its start, its checkpoint interval if it names one, and its notice fit with this chance. */
  readonly fitChanceMin: number;
  /** What an eviction costs beyond the start and the notice, as lost device time. */
  readonly evictionPenaltyMs: number;
  /** The same for a pause, in pools whose first rung it is: the idle time that passes before a paused guest goes on. */
  readonly pausePenaltyMs: number;
  /** Of a pool's deadline, what an agent that hears of nobody needs beside the guest's notice: term, kill margin, drift. */
  readonly unheardMs: number;
  /** How far ahead a window is valued for a guest that does not say how long it runs. */
  readonly horizonMs: number;
}
