import { z } from "zod";
import type { LeaseStep } from "../../api/convert/lease.ts";
import type { Ladder } from "../../core/ladder-state.ts";
import { type FencingToken, leaseTransitions } from "../../core/lease.ts";
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

const ms = z.number();
const token = z.object({ generation: z.int(), number: z.int() });
const stateName = z.string().refine((name) => name in leaseTransitions);
const step = z.object({ step: z.int(), state: stateName, token, devices: z.array(z.string()) });

/** What the agent relies on; the ladder's details come with it. */
const shape = z.object({
  version: z.literal(1),
  leaseId: z.string(),
  guestId: z.string(),
  attempt: z.int(),
  token,
  devices: z.array(z.string()),
  noticeMs: ms,
  bootId: z.string(),
  group: z.string().nullable(),
  ladder: z.object({
    state: stateName,
    stateSinceMs: ms,
    rules: z.record(z.string(), z.union([z.number(), z.string()])),
    cause: z.object({ mover: z.string() }),
    demands: z.object({ recalls: z.array(z.object({ deadlineAtMs: ms })) }),
    term: z.object({ sentAtMs: ms, endsAtMs: ms }),
  }),
  worked: z.object({ stretches: z.array(z.object({ fromMs: ms, toMs: ms })), earlierMs: ms }),
  lastStep: step.nullable(),
  unacknowledged: z.array(step),
});

export function isLeaseRecord(value: unknown): value is LeaseRecord {
  return shape.safeParse(value).success;
}
