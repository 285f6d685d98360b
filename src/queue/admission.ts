import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Submission } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { systemClock } from "../runtime/clock.ts";
import { addressOf, ask } from "../store/redis-error.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { encodeJob, type QueuedGuest } from "./guest-job.ts";
import type { QueueKeys } from "./keys.ts";
import { laneIdOf, laneOf, newGuestId, type Lane } from "./lane.ts";
import type { LaneQueues, NewJob } from "./lane-queues.ts";
import type { AdmitAnswer, RunScript } from "./scripts.ts";

/** A guest whose job is durable, or why there is none. `created`: false where the key was known already. */
export type QueueOutcome = (QueuedGuest & { readonly created: boolean }) | { readonly refused: GleanerError };

/** One run of the script takes no more, so that Redis is not held up for long (and Lua's stack suffices). */
export const flushGuestsMax = 1_000;
/** Jobs are sent in slices, so that Redis works on one while the next is made. */
const sliceJobs = 64;
/** Between admission and jobs. Half of what `Leftovers` waits before it clears up. */
const flushMsMax = 30_000;

export interface AdmissionOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly run: RunScript;
  readonly lanes: LaneQueues;
  readonly openPerTenantMax: number;
}

/** A submission that has a lane and, unless its key is known, the id that the guest will have. */
interface Candidate {
  readonly submission: Submission;
  readonly lane: Lane;
  readonly id: string;
  readonly fingerprint: string;
}

interface Addition {
  readonly guest: QueuedGuest;
  readonly key: string;
}

/**
 * From submissions to durable jobs in two steps: one script admits (limit, keys, sequence, index), BullMQ adds the jobs.
 * What dies in between was never acknowledged: it is finished by a retry with its key, or cleared up later.
 */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** At most flushGuestsMax. Answers keep the order. Throws REDIS_UNREACHABLE when it is not known what happened. */
  async admit(submissions: readonly Submission[]): Promise<QueueOutcome[]> {
    const { redis } = this.#options;
    const candidates = submissions.map(candidateOf);
    const flush = randomUUID();
    const nowMs = systemClock.wallMs();
    const startedMs = systemClock.monotonicMs();
    const answers = await ask(redis, this.#runAdmit(flush, nowMs, candidates));
    if (systemClock.monotonicMs() - startedMs > flushMsMax)
      throw new GleanerError("REDIS_UNREACHABLE", {
        url: addressOf(redis),
        problem: `no answer in ${flushMsMax} ms`,
      });
    await ask(redis, this.#addJobs(flush, nowMs, candidates, answers));
    return candidates.map((candidate, i) => this.#outcome(candidate, answers[i]!, nowMs));
  }

  #runAdmit(flush: string, nowMs: number, candidates: readonly Candidate[]): Promise<readonly AdmitAnswer[]> {
    const lanes = new Map(candidates.map(({ lane }) => [lane.id, lane.descriptor]));
    const pending = candidates.map(({ submission, id }) => [
      id,
      submission.spec.tenant,
      submission.idempotencyKey,
    ]);
    const args = [nowMs, this.#options.openPerTenantMax, flush, JSON.stringify([nowMs, pending]), lanes.size];
    const rest = candidates.flatMap(({ submission, id, fingerprint }) => [
      submission.spec.tenant,
      id,
      submission.idempotencyKey,
      fingerprint,
    ]);
    return this.#options.run("admit", [...args, ...[...lanes].flat(), ...rest]);
  }

  async #addJobs(
    flush: string,
    nowMs: number,
    candidates: readonly Candidate[],
    answers: readonly AdmitAnswer[],
  ): Promise<void> {
    const { redis, keys, lanes } = this.#options;
    const byLane = new Map<string, Addition[]>();
    for (const [i, { submission, id }] of candidates.entries()) {
      const guest = guestToAdd(id, submission, answers[i]!, nowMs);
      if (guest === null) continue;
      const laneId = laneIdOf(guest.id);
      const additions = byLane.get(laneId) ?? [];
      byLane.set(laneId, additions);
      additions.push({ guest, key: submission.idempotencyKey });
    }
    if (byLane.size === 0) return;
    const adding: Promise<unknown>[] = [];
    const failures: unknown[] = [];
    for (const [laneId, additions] of byLane)
      for (let at = 0; at < additions.length; at += sliceJobs) {
        const jobs = additions.slice(at, at + sliceJobs).map((addition) => jobOf(addition, nowMs));
        adding.push(lanes.add(laneId, jobs).catch((thrown: unknown) => failures.push(thrown)));
        if (jobs.length === sliceJobs) await nextTurn();
      }
    // Sent after the jobs on the same connection, and so done after them: who takes the lane finds them.
    await nextTurn();
    adding.push(redis.sadd(keys.lanesToAsk, ...byLane.keys()));
    await Promise.all(adding);
    if (failures.length > 0) throw failures[0];
    // Nobody needs to wait for it: an entry that stays is looked at again, and found complete.
    redis.hdel(keys.pending, flush).catch(() => {});
  }

  #outcome({ submission, id }: Candidate, answer: AdmitAnswer, submittedAtMs: number): QueueOutcome {
    const { spec, idempotencyKey } = submission;
    if (typeof answer === "number") return { id, sequence: answer, submittedAtMs, spec, created: true };
    switch (answer[0]) {
      case "known":
      case "unfinished":
        return { ...knownGuest(answer, submission), created: false };
      case "reused":
        return { refused: new GleanerError("KEY_REUSED", { key: idempotencyKey, id: answer[1] }) };
      case "full": {
        const details = { tenant: spec.tenant, count: answer[1], countMax: this.#options.openPerTenantMax };
        return { refused: new GleanerError("QUEUE_FULL", details) };
      }
    }
  }
}

function jobOf({ guest, key }: Addition, nowMs: number): NewJob {
  const delayMs = (guest.spec.notBeforeMs ?? 0) - nowMs;
  return { guestId: guest.id, data: encodeJob(guest, key), timestampMs: nowMs, delayMs };
}

function candidateOf(submission: Submission): Candidate {
  const { spec, idempotencyKey } = submission;
  const lane = laneOf(spec);
  return {
    submission,
    lane,
    id: newGuestId(lane),
    fingerprint: idempotencyKey === "" ? "" : fingerprintOf(spec),
  };
}

/** null: its job is there already, or it was refused. */
function guestToAdd(
  id: string,
  submission: Submission,
  answer: AdmitAnswer,
  nowMs: number,
): QueuedGuest | null {
  if (typeof answer === "number")
    return { id, sequence: answer, submittedAtMs: nowMs, spec: submission.spec };
  return answer[0] === "unfinished" ? knownGuest(answer, submission) : null;
}

function knownGuest(
  [, id, sequence, submittedAtMs]: readonly [string, string, string, string],
  { spec }: Submission,
): QueuedGuest {
  return { id, sequence: Number(sequence), submittedAtMs: Number(submittedAtMs), spec };
}
