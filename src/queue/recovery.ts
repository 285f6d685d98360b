import type { GuestState } from "../core/guest.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Claims } from "./claims.ts";
import type { Departures } from "./departures.ts";
import { decodeJob, decodeProgress, type QueuedGuest } from "./guest-job.ts";
import type { RawJob } from "./guest-reader.ts";
import { sweep, type SweepOptions } from "./sweep.ts";

/** What the guests' records say, which the queue follows after a crash. */
export interface GuestRecords {
  /** Of live leases. */
  readonly liveGuestIds: ReadonlySet<string>;
  /** A guest that is missing in the answer was never lent. */
  record(ids: readonly string[]): Promise<ReadonlyMap<string, RecordedGuest>>;
}

export interface RecordedGuest {
  readonly state: GuestState;
  readonly evictions: number;
  readonly workedMs: number;
}

export interface Recovered {
  readonly running: QueuedGuest[];
  readonly waiting: number;
  readonly finished: number;
}

export interface RecoveryOptions extends SweepOptions {
  readonly claims: Claims;
  readonly departures: Departures;
  readonly clock: Clock;
}

/** Takes over from the leader before: what it had claimed runs, waits again, or has ended, as the records say. */
export async function recover(options: RecoveryOptions, records: GuestRecords): Promise<Recovered> {
  const { claims, book, departures, clock } = options;
  claims.clear();
  book.clear();
  const running: QueuedGuest[] = [];
  let finished = 0;
  await sweep(options, async (jobs) => {
    const known = await records.record(jobs.map(({ id }) => id));
    for (const { guest, job } of jobs.flatMap(withGuest)) {
      const record = known.get(guest.id);
      if (records.liveGuestIds.has(guest.id)) {
        claims.enterRunning(guest);
        running.push(guest);
        continue;
      }
      const nowMs = clock.wallMs();
      const { evictions, workedMs } = record ?? { evictions: 0, workedMs: 0 };
      claims.enterWaiting(guest, { ...decodeProgress(job.progress, guest), evictions, workedMs }, nowMs);
      if (record?.state === "succeeded" || record?.state === "failed" || record?.state === "cancelled") {
        if (await departures.finish(guest, record.state)) finished += 1;
      }
    }
  });
  return { running, waiting: claims.waiting + claims.held, finished };
}

/** Claimed into a broken connection, so never lent: they wait. */
export async function adoptOrphans(options: RecoveryOptions): Promise<number> {
  let adopted = 0;
  await sweep(options, async (jobs) => {
    for (const { guest, job } of jobs.flatMap(withGuest)) {
      options.claims.enterWaiting(guest, decodeProgress(job.progress, guest), options.clock.wallMs());
      adopted += 1;
    }
  });
  return adopted;
}

function withGuest(job: RawJob): { guest: QueuedGuest; job: RawJob }[] {
  return job.data === null ? [] : [{ guest: decodeJob(job.id, job.data), job }];
}
