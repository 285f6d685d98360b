import type { GuestSpec } from "../core/guest.ts";

/** A guest as the queue keeps it: what was asked for, and the facts of its submission. */
export interface QueuedGuest {
  readonly id: string;
  /** Order of acceptance in the zone, from 1; there are gaps. */
  readonly sequence: number;
  /** Wall clock, ms. */
  readonly submittedAtMs: number;
  readonly spec: GuestSpec;
}

/** `data` of the BullMQ job. */
interface JobData {
  readonly sequence: number;
  readonly submittedAtMs: number;
  readonly key: string;
  readonly spec: GuestSpec;
}

/** `progress` of the BullMQ job: what a guest that waits again carries along, so that it outlives the leader. */
export interface WaitingProgress {
  readonly evictions: number;
  readonly workedMs: number;
  readonly waitingSinceMs: number;
  /** Back-off: not to be lent before. 0: at once. */
  readonly notBeforeMs: number;
}

export function encodeJob(guest: QueuedGuest, key: string): string {
  const { sequence, submittedAtMs, spec } = guest;
  return JSON.stringify({ sequence, submittedAtMs, key, spec } satisfies JobData);
}

export function decodeJob(id: string, data: string): QueuedGuest {
  const { sequence, submittedAtMs, spec } = JSON.parse(data) as JobData;
  return { id, sequence, submittedAtMs, spec };
}

/** Idempotency key of the submission, empty for none. */
export function keyOfJob(data: string): string {
  return (JSON.parse(data) as JobData).key;
}

/** BullMQ gives 0 for a job that never had any. */
export function decodeProgress(progress: unknown, guest: QueuedGuest): WaitingProgress {
  if (typeof progress === "object" && progress !== null) return progress as WaitingProgress;
  const waitingSinceMs = Math.max(guest.submittedAtMs, guest.spec.notBeforeMs ?? 0);
  return { evictions: 0, workedMs: 0, waitingSinceMs, notBeforeMs: 0 };
}
