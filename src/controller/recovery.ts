import { compareTokens, type Lease } from "../core/lease.ts";
import type { Settings } from "../config/settings.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { LeaseStore } from "../store/lease-store.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { lostStep } from "./lost-step.ts";
import type { Fleet } from "./fleet.ts";
import type { LeaseSteps } from "./lease-steps.ts";
import type { LiveGuests } from "./live-guests.ts";
import type { Reign } from "./reign.ts";

/** Brings this process to where the books are: leases, quarantines, the queue. Before it is done nothing is decided. */
export async function recover(parts: {
  fleet: Fleet;
  store: LeaseStore;
  queue: GuestQueue;
  guests: LiveGuests;
  clock: Clock;
  log: Logger;
}): Promise<void> {
  const { fleet, store, queue, guests, clock, log } = parts;
  const leases = await store.liveLeases();
  // Whenever the terms were renewed: their agents have until one term from now, whatever the wall clock did meanwhile.
  for (const lease of [...leases, ...(await store.unprovenLeases())])
    fleet.addLease(lease, clock.monotonicMs());
  const leaseOf = new Map(leases.map((lease) => [lease.guestId, lease]));
  const found = await queue.recover({
    liveGuestIds: new Set(leaseOf.keys()),
    record: async (ids) => store.guestRecords(ids),
  });
  const records = await store.guestRecords(found.running.map(({ id }) => id));
  for (const queued of found.running) {
    const lease = leaseOf.get(queued.id);
    if (lease !== undefined) guests.started(queued, records.get(queued.id), lease.id);
  }
  log.info(
    {
      leases: leases.length,
      running: found.running.length,
      waiting: found.waiting,
      finished: found.finished,
    },
    `read the books: ${leases.length} live leases, ${found.waiting} guests at the heads`,
  );
}

/** Leases that the books still have and this controller does not. */
interface Strays {
  /** Booked though the answer was lost. */
  readonly live: Lease[];
  /** They ended here without a proven hand-back before Redis came back older: in the books they live. */
  readonly ended: Lease[];
  /** Their hand-back was proven before Redis came back older. */
  readonly proven: Lease[];
}

export async function strayLeases({
  fleet,
  steps,
  store,
}: {
  fleet: Fleet;
  steps: LeaseSteps;
  store: LeaseStore;
}): Promise<Strays> {
  // What ended before now has left the books by the time that they are read; what ends later is known here.
  const [live, unproven] = [new Set(fleet.leases.keys()), new Map(fleet.unproven)];
  await steps.flush();
  const strays = (await store.liveLeases()).filter(({ id }) => !live.has(id));
  // Books that came back older give a name again, and a token: to a lease of another moment.
  const hasEnded = ({ id, token, lentAtMs }: Lease) => {
    const known = unproven.get(id)?.lease;
    return known?.lentAtMs === lentAtMs && compareTokens(known.token, token) === 0;
  };
  return {
    live: strays.filter((lease) => !hasEnded(lease)),
    ended: strays.filter(hasEnded),
    proven: (await store.unprovenLeases()).filter(({ id }) => !live.has(id) && !unproven.has(id)),
  };
}

/**
 * Tells the books that the leases' terms go on. One that they do not know goes on no more: Redis came back older than this
 * controller. Its agent, not renewed, makes it leave; its guest waits in the books already, and here until it has left (I3).
 */
export async function renewInBooks(parts: {
  fleet: Fleet;
  store: LeaseStore;
  reign: Reign;
  log: Logger;
  lookForStrays: () => void;
}): Promise<void> {
  const { fleet, store, reign, log, lookForStrays } = parts;
  const ids = [...fleet.leases.keys()];
  const booked = await store.renew(ids);
  let areOlder = false;
  for (const id of ids) {
    const live = fleet.leases.get(id);
    // One that ended here meanwhile has left the books by that.
    if (live === undefined || live.disowned || booked.has(id)) continue;
    live.disowned = true;
    areOlder = true;
    log.error(
      { lease: id, guest: live.lease.guestId, host: live.lease.host },
      "the books do not know a lease, Redis came back older: it is renewed no more and its guest is put back",
    );
  }
  if (!areOlder) return;
  await reign.raiseAboveOwn();
  lookForStrays();
}

/**
 * Ends the leases of agents that are away for longer than a term, the notice, the kill and the proof can take: an agent that
 * lives has vacated them by then. Whether the device is clean nobody knows, so it is quarantined until the agent proves it.
 */
export function expireLeases(parts: {
  fleet: Fleet;
  steps: LeaseSteps;
  settings: Settings;
  clock: Clock;
  log: Logger;
  spec: (guestId: string) => { noticeMs: number } | undefined;
}): void {
  const { fleet, steps, settings, clock, log } = parts;
  const nowMs = clock.monotonicMs();
  for (const live of fleet.leases.values()) {
    const { lease } = live;
    if (fleet.agents.has(lease.host)) continue;
    const noticeMs = parts.spec(lease.guestId)?.noticeMs ?? settings.guest.noticeMs;
    const { termMs, driftMs } = settings.terms;
    const { killMarginMs, proofMs } = settings.recall;
    if (nowMs - live.renewedAtMs < termMs + driftMs + noticeMs + killMarginMs + proofMs) continue;
    log.error(
      { lease: lease.id, host: lease.host },
      "the agent is away for longer than the lease's term: its guest is put back, its devices are quarantined",
    );
    steps.take({ ...lostStep(lease, nowMs, "its agent is away"), state: "quarantined" });
  }
}
