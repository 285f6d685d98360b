import type { DeviceInfo, DeviceUuid, OwnerState } from "./device.ts";
import type { Grant, GuestState } from "./guest.ts";
import type { AttemptOutcome, LeaseEnd, LeaseState, Mover } from "./lease.ts";

/**
 * What is written to the books. `atMs` is wall clock of the controller that wrote it, whole ms. Events of one device may
 * arrive with a time before an earlier one's (an agent reports a step late): the account then uses the later time.
 */
export type LedgerEvent =
  /** The device is in the books from now on. */
  | { readonly type: "device"; readonly atMs: number; readonly device: DeviceInfo; readonly owner: string }
  /** What telemetry says of the owner, on each change. */
  | {
      readonly type: "owner";
      readonly atMs: number;
      readonly device: DeviceUuid;
      readonly state: OwnerState;
      readonly reason: string;
    }
  /** Why an idle device is not lent, on each change of the reason. */
  | { readonly type: "unlent"; readonly atMs: number; readonly device: DeviceUuid; readonly reason: string }
  | {
      readonly type: "lent";
      readonly atMs: number;
      readonly leaseId: string;
      readonly guestId: string;
      readonly tenant: string;
      readonly attempt: number;
      readonly grants: readonly Grant[];
      readonly reason: string;
      readonly forecastHash: string;
    }
  /** One step of a lease. `settlement` only with a final state. */
  | {
      readonly type: "step";
      readonly atMs: number;
      readonly leaseId: string;
      readonly state: LeaseState;
      readonly mover: Mover;
      readonly detail: string;
      /** From the owner's signal at the agent to this step; null where no owner waited. */
      readonly signalToStepMs: number | null;
      readonly recallId: string;
      readonly settlement: Settlement | null;
    }
  /** An owner's return that met a guest, once per signal and device: the same id written again says nothing new. */
  | {
      readonly type: "meeting";
      readonly id: string;
      readonly atMs: number;
      readonly device: DeviceUuid;
      readonly leaseId: string;
      readonly signal: "activity" | "recall" | "busy";
      readonly recallId: string;
    }
  /** An explicit recall of one device reached a final stage; a recall does so once for each of its devices. */
  | {
      readonly type: "recalled";
      readonly atMs: number;
      readonly recallId: string;
      readonly device: DeviceUuid;
      readonly leaseId: string;
      readonly stage: "released" | "deadline_missed" | "withdrawn";
      readonly elapsedMs: number;
      readonly deadlineMs: number;
      readonly reason: string;
    }
  | {
      readonly type: "decision";
      readonly atMs: number;
      readonly kind: "lend" | "resume" | "vacate" | "quarantine" | "recall" | "release_quarantine";
      readonly device: DeviceUuid;
      readonly guestId: string;
      readonly leaseId: string;
      readonly reasonCode: string;
      readonly reason: string;
      readonly forecastHash: string;
    }
  /** A device is out of use (reason set) or usable again (null). */
  | {
      readonly type: "quarantine";
      readonly atMs: number;
      readonly device: DeviceUuid;
      readonly reason: string | null;
    }
  /** A guest was accepted, or changed to a terminal state or back to waiting. */
  | {
      readonly type: "guest";
      readonly atMs: number;
      readonly guestId: string;
      readonly tenant: string;
      readonly state: GuestState;
      readonly reason: string;
    }
  /** The controller lives; written at an interval so that an outage is seen afterwards. */
  | { readonly type: "alive"; readonly atMs: number }
  /** Nobody watched from then till now: devices without a lease count as unknown meanwhile. */
  | { readonly type: "outage"; readonly atMs: number; readonly sinceMs: number };

/** What stands already, for books that began later and wish to know it, by their wishes; null: that was all. */
export interface StandingEvent {
  readonly type: "standing";
  readonly atMs: number;
  readonly wishes: readonly string[];
  readonly event:
    | (LedgerEvent & { readonly type: "device" | "owner" | "unlent" | "quarantine" | "lent" | "step" })
    | null;
}

/** One entry of the ledger. */
export type WrittenEvent = LedgerEvent | StandingEvent;

/** What an attempt was worth, once it ended. usefulMs + lostMs = worked time. */
export interface Settlement extends LeaseEnd {
  readonly outcome: AttemptOutcome;
  readonly usefulMs: number;
  readonly lostMs: number;
}
