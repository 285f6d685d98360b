import { GleanerError } from "../errors/gleaner-error.ts";
import type { EndedGuest } from "../gen/gleaner/v1/agents.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Clock } from "../runtime/clock.ts";
import type { LeaseStore } from "../store/lease-store.ts";

/** Guests that one message may ask about. */
const askedMax = 10_000;

/**
 * Of these guests those that never run again: the ones that have ended, and the ones that neither the records nor the queue
 * know. A guest of the queue without a record (Redis may have lost its lend) waits like any other.
 */
export async function endedAmong(
  ids: readonly string[],
  { store, queue, clock }: { store: LeaseStore; queue: Pick<GuestQueue, "get">; clock: Clock },
): Promise<EndedGuest[]> {
  if (ids.length > askedMax)
    throw new GleanerError("INTERNAL", { problem: `an agent asked about ${ids.length} guests at once` });
  const records = await store.guestRecords(ids);
  const ended: EndedGuest[] = [];
  for (const guestId of ids) {
    const record = records.get(guestId);
    if (record === undefined) {
      if ((await queue.get(guestId)) === null) ended.push({ guestId });
    } else if (record.endedAtMs !== null)
      ended.push({ guestId, ageMs: Math.max(0, clock.wallMs() - record.endedAtMs) });
  }
  return ended;
}
