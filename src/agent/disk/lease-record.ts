import type { LeaseStep } from "../../api/convert/lease.ts";
import type { Ladder } from "../../core/ladder-state.ts";
import type { FencingToken } from "../../core/lease.ts";
import type { WorkedTime } from "../worked-time.ts";

/** All that an agent must know of a lease to go on with it after its own restart. Times on the host's clock, ms. */
export interface LeaseRecord {
  readonly version: 1;
  readonly leaseId: string;
  readonly guestId: string;
  readonly attempt: number;
  readonly token: FencingToken;
  readonly devices: readonly string[];
  readonly noticeMs: number;
  /** Times of another boot mean nothing, and nothing of it runs any more. */
  readonly bootId: string;
  /** Of the process group; null: the guest was never started. */
  readonly group: string | null;
  readonly ladder: Ladder;
  readonly worked: WorkedTime;
  /** When SIGTERM was sent first. */
  readonly terminatedAtMs: number | null;
  /** The last step that was made, and all that the controller has not acknowledged. */
  readonly lastStep: LeaseStep | null;
  readonly unacknowledged: readonly LeaseStep[];
}
