import { z } from "zod";
import type { StandingEvent, WrittenEvent } from "../core/ledger-event.ts";

const atMs = z.int();
const ageMs = z.number().nonnegative().nullable();
const count = z.int().nonnegative();

export const grantSchema = z.object({
  device: z.string(),
  sharePermille: z.int().min(1).max(1_000),
  memoryMib: z.number().nonnegative(),
});

export const leaseStateSchema = z.enum([
  "starting",
  "running",
  "paused",
  "vacating",
  "killing",
  "released",
  "quarantined",
]);

export const guestStateSchema = z.enum([
  "waiting",
  "starting",
  "running",
  "paused",
  "vacating",
  "succeeded",
  "failed",
  "cancelled",
]);

const settlementSchema = z.object({
  exitCode: z.int().nullable(),
  exitSignal: z.string(),
  checkpointAgeMs: ageMs,
  workedMs: z.number(),
  vacateMs: ageMs,
  outcome: z.enum(["done", "checkpointed", "evicted", "failed", "cancelled", "lost"]),
  usefulMs: z.number(),
  lostMs: z.number(),
});

const deviceSchema = z.object({
  uuid: z.string(),
  host: z.string(),
  pool: z.string(),
  model: z.string(),
  index: count,
  memoryTotalMib: z.number().nullable(),
});

/** What may stand when books begin. */
const standable = [
  z.object({ type: z.literal("device"), atMs, device: deviceSchema, owner: z.string() }),
  z.object({
    type: z.literal("owner"),
    atMs,
    device: z.string(),
    state: z.enum(["busy", "idle", "unknown"]),
    reason: z.string(),
  }),
  z.object({ type: z.literal("unlent"), atMs, device: z.string(), reason: z.string() }),
  z.object({
    type: z.literal("lent"),
    atMs,
    leaseId: z.string(),
    guestId: z.string(),
    tenant: z.string(),
    attempt: z.int().positive(),
    grants: z.array(grantSchema).min(1),
    reason: z.string(),
    forecastHash: z.string(),
  }),
  z.object({
    type: z.literal("step"),
    atMs,
    leaseId: z.string(),
    state: leaseStateSchema,
    mover: z.enum(["controller", "guest", "activity", "owner", "term", "budget"]),
    detail: z.string(),
    signalToStepMs: z.number().nullable(),
    recallId: z.string(),
    settlement: settlementSchema.nullable(),
  }),
  z.object({ type: z.literal("quarantine"), atMs, device: z.string(), reason: z.string().nullable() }),
] as const;

const standingSchema: z.ZodType<StandingEvent> & z.ZodObject = z.object({
  type: z.literal("standing"),
  atMs,
  wishes: z.array(z.string()),
  event: z.discriminatedUnion("type", standable).nullable(),
});

/** What the stream's entries must be; the type on the left keeps it the same as the core's. */
export const ledgerEventSchema: z.ZodType<WrittenEvent> = z.discriminatedUnion("type", [
  ...standable,
  standingSchema,
  z.object({
    type: z.literal("meeting"),
    id: z.string(),
    atMs,
    device: z.string(),
    leaseId: z.string(),
    signal: z.enum(["activity", "recall", "busy"]),
    recallId: z.string(),
  }),
  z.object({
    type: z.literal("recalled"),
    atMs,
    recallId: z.string(),
    device: z.string(),
    leaseId: z.string(),
    stage: z.enum(["released", "deadline_missed", "withdrawn"]),
    elapsedMs: z.number(),
    deadlineMs: z.number(),
    reason: z.string(),
  }),
  z.object({
    type: z.literal("decision"),
    atMs,
    kind: z.enum(["lend", "resume", "vacate", "quarantine", "recall", "release_quarantine"]),
    device: z.string(),
    guestId: z.string(),
    leaseId: z.string(),
    reasonCode: z.string(),
    reason: z.string(),
    forecastHash: z.string(),
  }),
  z.object({
    type: z.literal("guest"),
    atMs,
    guestId: z.string(),
    tenant: z.string(),
    state: guestStateSchema,
    reason: z.string(),
  }),
  z.object({ type: z.literal("alive"), atMs }),
  z.object({ type: z.literal("outage"), atMs, sinceMs: atMs }),
]);
