import type { Redis } from "ioredis";
import type { Submission } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Clock } from "../runtime/clock.ts";
import { addressOf, ask } from "../store/redis-error.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { encodeJob, type QueuedGuest } from "./guest-job.ts";
import type { QueueIds } from "./guest-queue.ts";
import type { QueueKeys } from "./keys.ts";
import { laneIdOf, laneOf, type Lane } from "./lane.ts";
import type { LaneQueues, NewJob } from "./lane-queues.ts";
import type { AdmitAnswer, RunScript } from "./scripts.ts";

/** A guest whose job is durable, or why there is none. `created`: false where the key was known already. */
export type QueueOutcome = (QueuedGuest & { readonly created: boolean }) | { readonly refused: GleanerError };

/** One run of the script takes no more: some 1.5 ms of Redis. A larger call is several flushes. */
export const flushGuestsMax = 256;
/** Jobs are sent in slices, so that Redis works on one while the next is made. A slice costs as much as three jobs. */
const sliceJobs = 64;
/** Between admission and jobs. Half of what `settleLeftovers` waits before it clears up. */
const flushMsMax = 30_000;

export interface AdmissionOptions {
  readonly redis: Redis;
  readonly keys: QueueKeys;
  readonly run: RunScript;
  readonly lanes: LaneQueues;
  readonly openPerTenantMax: number;
  readonly openMax: number;
  readonly clock: Clock;
  readonly ids: QueueIds;
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

/** Answers that are awaited together; until then a failure among them is kept. */
class Answers {
  readonly #expected: Promise<unknown>[] = [];
  readonly #failures: unknown[] = [];

  expect(answer: Promise<unknown>): void {
    this.#expected.push(answer.catch((thrown: unknown) => this.#failures.push(thrown)));
  }

  async all(): Promise<void> {
    await Promise.all(this.#expected);
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

/**
 * From submissions to durable jobs in two steps: one script admits (limit, keys, sequence, index), BullMQ adds the jobs.
 * What dies in between was never acknowledged: it is finished by a retry with its key, or cleared up later.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** At most flushGuestsMax. Answers keep the order. Throws REDIS_UNREACHABLE when it is not known what happened. */
  async admit(submissions: readonly Submission[]): Promise<QueueOutcome[]> {
    const { redis, clock, ids } = this.#options;
    const candidates = submissions.map((submission) => candidateOf(submission, ids));
    const flush = ids.newId();
    const nowMs = clock.wallMs();
    const startedMs = clock.monotonicMs();
    const answers = await ask(redis, this.#runAdmit(flush, nowMs, candidates));
    if (clock.monotonicMs() - startedMs > flushMsMax)
      throw new GleanerError("REDIS_UNREACHABLE", {
        url: addressOf(redis),
        problem: `no answer in ${flushMsMax} ms`,
      });
    const additions = candidates.flatMap((candidate, i) => additionOf(candidate, answers[i]!, nowMs));
    if (additions.length > 0) await ask(redis, this.#addJobs(flush, additions, nowMs));
    return candidates.map((candidate, i) => this.#outcome(candidate, answers[i]!, nowMs));
  }

  #runAdmit(flush: string, nowMs: number, candidates: readonly Candidate[]): Promise<readonly AdmitAnswer[]> {
    const lanes = new Map(candidates.map(({ lane }) => [lane.id, lane]));
    const pending: (string | number)[] = [nowMs];
    const guests: string[] = [];
    for (const { submission, id, fingerprint } of candidates) {
      pending.push(id, submission.idempotencyKey);
      guests.push(id, submission.idempotencyKey);
      if (fingerprint !== "") guests.push(fingerprint);
    }
    const { openPerTenantMax, openMax, run } = this.#options;
    const limits = [openPerTenantMax, openMax];
    const args = [nowMs, ...limits, flush, JSON.stringify(pending), candidates.length, lanes.size];
    for (const { id, descriptor, tenant } of lanes.values()) args.push(id, descriptor, tenant);
    return run("admit", args.concat(guests));
  }

  /** Flushes may be under way together, but their jobs are sent one flush after the other: in order of admission. */
  async #addJobs(flush: string, additions: readonly Addition[], nowMs: number): Promise<void> {
    const { redis, keys } = this.#options;
    const answers = new Answers();
    const sent = this.#sending.then(() => this.#send(additions, nowMs, answers));
    // Its failure is this flush's alone.
    this.#sending = sent.catch(() => {});
    await sent;
    await answers.all();
    // Nobody needs to wait for it: an entry that stays is looked at again, and found complete.
    redis.hdel(keys.pending, flush).catch(() => {});
  }

  async #send(additions: readonly Addition[], nowMs: number, answers: Answers): Promise<void> {
    const { redis, keys, lanes, clock } = this.#options;
    for (let at = 0; at < additions.length; at += sliceJobs) {
      answers.expect(
        lanes.add(additions.slice(at, at + sliceJobs).map((addition) => jobOf(addition, nowMs))),
      );
      await clock.turn();
    }
    // Sent after the jobs on the same connection, and so done after them: who takes the lanes finds them.
    const laneIds = new Set(additions.map(({ guest }) => laneIdOf(guest.id)));
    answers.expect(redis.sadd(keys.lanesToAsk, ...laneIds));
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
      case "zone full": {
        const details = { count: answer[1], countMax: this.#options.openMax };
        return { refused: new GleanerError("ZONE_FULL", details) };
      }
    }
  }
}

function jobOf({ guest, key }: Addition, nowMs: number): NewJob {
  const delayMs = (guest.spec.notBeforeMs ?? 0) - nowMs;
  return { guestId: guest.id, data: encodeJob(guest, key), timestampMs: nowMs, delayMs };
}

function candidateOf(submission: Submission, ids: QueueIds): Candidate {
  const { spec, idempotencyKey } = submission;
  const lane = laneOf(spec);
  return {
    submission,
    lane,
    id: ids.newGuestId(lane),
    fingerprint: idempotencyKey === "" ? "" : fingerprintOf(spec),
  };
}

/** None where its job is there already, or it was refused. */
function additionOf({ submission, id }: Candidate, answer: AdmitAnswer, nowMs: number): Addition[] {
  const { spec, idempotencyKey: key } = submission;
  if (typeof answer === "number")
    return [{ guest: { id, sequence: answer, submittedAtMs: nowMs, spec }, key }];
  return answer[0] === "unfinished" ? [{ guest: knownGuest(answer, submission), key }] : [];
}

function knownGuest(
  [, id, sequence, submittedAtMs]: readonly [string, string, string, string],
  { spec }: Submission,
): QueuedGuest {
  return { id, sequence: Number(sequence), submittedAtMs: Number(submittedAtMs), spec };
}
