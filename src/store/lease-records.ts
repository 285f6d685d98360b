import { z } from "zod";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Grant, GuestState } from "../core/guest.ts";
import type { FencingToken, Lease, LeaseState, Mover } from "../core/lease.ts";
import type { Settlement } from "../core/ledger-event.ts";
import { grantSchema, guestStateSchema, leaseStateSchema } from "./ledger-event-schema.ts";

/**
 * What is known of a guest that was lent to or has ended. A guest without a record is fresh: it waits and was never lent
 * to. Its specification and its time of submission are in its job.
 */
export interface GuestRecord {
  readonly tenant: string;
  readonly state: GuestState;
  /** Wall clock, ms. */
  readonly stateSinceMs: number;
  readonly attempts: number;
  readonly failures: number;
  /** Evicted, lost, or left unasked with exit 85. */
  readonly evictions: number;
  /** Sums over the attempts, not multiplied by devices. usefulMs + lostMs = workedMs. */
  readonly workedMs: number;
  readonly usefulMs: number;
  readonly lostMs: number;
  /** Empty: none. */
  readonly liveLease: string;
  /** Of the last attempt; empty: never lent. */
  readonly host: string;
  /** null: has not ended. */
  readonly endedAtMs: number | null;
  /** Of the last attempt. */
  readonly exitCode: number | null;
  readonly reason: string;
  /** Why it is to end with its live lease; null: nobody has cancelled it. */
  readonly cancelReason: string | null;
}

export interface LendRequest {
  /** Of the leader that decided it. */
  readonly epoch: number;
  readonly guestId: string;
  readonly tenant: string;
  readonly host: string;
  readonly grants: readonly Grant[];
  /** For each grant: total less the owner's reserve, on its device; null: not known, not checked. */
  readonly memoryLendableMib: readonly (number | null)[];
  readonly trustGroup: string;
  readonly reasonCode: string;
  readonly reason: string;
  readonly forecastHash: string;
}

export type LendRefusal =
  | "stale_epoch"
  | "guest_has_lease"
  | "guest_ended"
  | "ledger_full"
  | "quarantined"
  | "share_taken"
  | "memory_taken"
  | "trust_mismatch";

export type LendResult = { readonly lent: Lease } | { readonly refused: LendRefusal };

export interface LeaseStep {
  readonly leaseId: string;
  readonly token: FencingToken;
  /** Larger than every step of the lease before it. */
  readonly step: number;
  readonly state: LeaseState;
  readonly mover: Mover;
  readonly detail: string;
  /** Wall clock, whole ms. */
  readonly atMs: number;
  readonly signalToStepMs: number | null;
  readonly recallId: string;
  /** With the final step of a live lease; null otherwise. */
  readonly settlement: Settlement | null;
  /** Of the guest's specification. */
  readonly retries: number;
  readonly evictionsMax: number;
}

/** `repeated`: it is in the books already. */
export type StepRefusal = "repeated" | "unknown_lease" | "stale_token" | "bad_transition" | "stale_epoch";

export type StepResult =
  | { readonly applied: true; readonly guestState: GuestState; readonly record: GuestRecord }
  | { readonly applied: false; readonly why: StepRefusal };

const guestRecordSchema: z.ZodType<GuestRecord> = z.object({
  tenant: z.string(),
  state: guestStateSchema,
  stateSinceMs: z.number(),
  attempts: z.int(),
  failures: z.int(),
  evictions: z.int(),
  workedMs: z.number(),
  usefulMs: z.number(),
  lostMs: z.number(),
  liveLease: z.string(),
  host: z.string(),
  endedAtMs: z.number().nullable(),
  exitCode: z.int().nullable(),
  reason: z.string(),
  cancelReason: z.string().nullable().default(null),
});

const leaseSchema: z.ZodType<Lease> = z.object({
  id: z.string(),
  guestId: z.string(),
  tenant: z.string(),
  attempt: z.int().positive(),
  host: z.string(),
  token: z.object({ generation: z.int(), number: z.int() }),
  epoch: z.int(),
  grants: z.array(grantSchema).min(1),
  trustGroup: z.string(),
  state: leaseStateSchema,
  lentAtMs: z.int(),
  stateSinceMs: z.int(),
  step: z.int().nonnegative(),
});

/** One cause for which a device is out of use. */
export interface QuarantineCause {
  readonly reason: string;
  /** Wall clock, ms. */
  readonly sinceMs: number;
}

const causesSchema: z.ZodType<Record<string, QuarantineCause>> = z.record(
  z.string(),
  z.object({ reason: z.string(), sinceMs: z.number() }),
);

export const parseGuestRecord = reader(guestRecordSchema, "guest record");
export const parseLease = reader(leaseSchema, "lease");
const readCauses = reader(causesSchema, "quarantine");

/** By name, the oldest first. */
export function parseCauses(json: string): Map<string, QuarantineCause> {
  return new Map(Object.entries(readCauses(json)).toSorted(([, a], [, b]) => a.sinceMs - b.sinceMs));
}

/** Only the scripts write these, so an unreadable one means that somebody else wrote into the zone's keys. */
function reader<T>(schema: z.ZodType<T>, what: string): (json: string) => T {
  return (json) => {
    const result = schema.safeParse(parseJson(json));
    if (result.success) return result.data;
    const problem = `${what} ${json.slice(0, 200)}: ${z.prettifyError(result.error)}`;
    throw new GleanerError("STORE_UNREADABLE", { problem });
  };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // the schema refuses it and says what it is
  }
}
