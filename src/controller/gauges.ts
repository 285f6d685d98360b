import type { Category } from "../core/account-category.ts";
import type { GuestState } from "../core/guest.ts";
import { isLive } from "../core/lease.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { LedgerStream } from "../store/ledger-stream.ts";
import type { Fleet } from "./fleet.ts";
import { categoryOf } from "./fleet-view.ts";
import type { OwnerForecast } from "./owner-forecast.ts";
import type { Books } from "./surroundings.ts";
import { Slices } from "./slices.ts";

/** Guests by state, from the queue, the live leases and the books. */
export function countGuests(
  fleet: Fleet,
  queue: GuestQueue,
  books: Pick<Books, "endedGuests">,
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
  books: Pick<Books, "endedGuests">;
  stream: LedgerStream;
  forecast: OwnerForecast;
  clock: Clock;
  metrics: Metrics;
}): Promise<void> {
  const { fleet, queue, books, stream, forecast, clock, metrics } = parts;
  const nowMs = clock.monotonicMs();
  const counts = new Map<string, Map<Category, number>>();
  const slices = new Slices(clock);
  let looked = 0;
  for (const device of fleet.devices.values()) {
    const category = categoryOf(device, nowMs);
    const ofPool = counts.get(device.info.pool) ?? new Map<Category, number>();
    counts.set(device.info.pool, ofPool.set(category, (ofPool.get(category) ?? 0) + 1));
    if (++looked % 1_024 === 0) await slices.breathe();
  }
  metrics.devices.reset();
  for (const [pool, ofPool] of counts)
    for (const [category, count] of ofPool) metrics.devices.set({ pool, category }, count);
  metrics.guests.reset();
  for (const [state, count] of Object.entries(countGuests(fleet, queue, books)))
    metrics.guests.set({ state }, count);
  for (const { horizonMs, said, came } of forecast.record.lastDay()) {
    if (said === null || came === null) continue;
    const labels = { horizon_s: horizonMs / 1_000 };
    metrics.forecastSaid.set(labels, said);
    metrics.forecastCame.set(labels, came);
  }
  metrics.queueWaiting.set(queue.waitingTotal());
  metrics.ledgerStreamEntries.set(await stream.length());
}
