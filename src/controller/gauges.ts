import type { GuestState } from "../core/guest.ts";
import { isLive } from "../core/lease.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Books } from "../report/books.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { LedgerStream } from "../store/ledger-stream.ts";
import type { Fleet } from "./fleet.ts";
import { categoryOf } from "./fleet-view.ts";

/** Guests by state, from the queue, the live leases and the books. */
export function countGuests(
  fleet: Fleet,
  queue: GuestQueue,
  books: Books,
): Partial<Record<GuestState, number>> {
  const counts: Partial<Record<GuestState, number>> = { waiting: queue.waitingTotal() };
  for (const { lease } of fleet.leases.values()) {
    if (!isLive(lease.state)) continue;
    const state = lease.state === "killing" ? "vacating" : lease.state;
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return { ...counts, ...books.endedGuests() };
}

/** Shows the present state in the metrics; what happens is counted where it happens. */
export async function setGauges(parts: {
  fleet: Fleet;
  queue: GuestQueue;
  books: Books;
  stream: LedgerStream;
  clock: Clock;
  metrics: Metrics;
}): Promise<void> {
  const { fleet, queue, books, stream, clock, metrics } = parts;
  const nowMs = clock.monotonicMs();
  metrics.devices.reset();
  for (const device of fleet.devices.values())
    metrics.devices.inc({ pool: device.info.pool, category: categoryOf(device, nowMs) });
  metrics.guests.reset();
  for (const [state, count] of Object.entries(countGuests(fleet, queue, books)))
    metrics.guests.set({ state }, count);
  metrics.queueWaiting.set(queue.waitingTotal());
  metrics.ledgerStreamEntries.set(await stream.length());
}
