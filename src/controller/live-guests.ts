import type { Settlement } from "../core/ledger-event.ts";
import type { GuestSpec } from "../core/guest.ts";
import type { Lease } from "../core/lease.ts";
import type { Settings } from "../config/settings.ts";
import type { QueuedGuest } from "../queue/guest-job.ts";
import type { GuestRecord } from "../store/lease-store.ts";
import { viewGuest, type GuestChanges } from "./guest-book.ts";
import type { Fleet } from "./fleet.ts";

interface LiveGuest {
  readonly queued: QueuedGuest;
  record: GuestRecord | undefined;
  /** More than one only after Redis came back older: one that runs, and one that only the books still have. */
  readonly leaseIds: Set<string>;
}

/** The guests that have a live attempt: what a lease's step needs to know of its guest without asking Redis. */
export class LiveGuests {
  readonly #fleet: Fleet;
  readonly #changes: GuestChanges;
  readonly #backoff: Settings["guest"];
  readonly #live = new Map<string, LiveGuest>();

  constructor(fleet: Fleet, changes: GuestChanges, backoff: Settings["guest"]) {
    this.#fleet = fleet;
    this.#changes = changes;
    this.#backoff = backoff;
  }

  get count(): number {
    return this.#live.size;
  }

  /** Of a guest that was cancelled since it was lent to, or before this controller came, the lease is told here. */
  started(queued: QueuedGuest, record: GuestRecord | undefined, leaseId: string): void {
    const leaseIds = this.#live.get(queued.id)?.leaseIds ?? new Set();
    this.#live.set(queued.id, { queued, record, leaseIds: leaseIds.add(leaseId) });
    const live = this.#fleet.leases.get(leaseId);
    const reason = record?.cancelReason ?? null;
    if (live !== undefined && reason !== null) live.cancel = { noticeMs: queued.spec.noticeMs, reason };
    this.changed(queued.id);
  }

  specOf(guestId: string): GuestSpec | undefined {
    return this.#live.get(guestId)?.queued.spec;
  }

  /** As it was when its live attempt began. */
  recordOf(guestId: string): GuestRecord | undefined {
    return this.#live.get(guestId)?.record;
  }

  changed(guestId: string): void {
    const guest = this.#live.get(guestId);
    if (guest === undefined || !this.#changes.isWatched) return;
    const [held] = [...guest.leaseIds].flatMap((id) => this.#fleet.leases.get(id) ?? []);
    this.#changes.publish(viewGuest(guest.queued, guest.record, held));
  }

  ended({ id, guestId }: Pick<Lease, "id" | "guestId">, record: GuestRecord | undefined): void {
    const guest = this.#live.get(guestId);
    if (guest === undefined) return;
    guest.record = record;
    this.changed(guestId);
    guest.leaseIds.delete(id);
    if (guest.leaseIds.size === 0) this.#live.delete(guestId);
  }

  /** How long a guest waits before its next attempt: longer with each failure; briefly after an eviction, so that it cannot thrash. */
  backoffMs(guestId: string, settlement: Settlement, record: GuestRecord): number {
    const { backoffMsMin, backoffMsMax } = this.#backoff;
    if (settlement.outcome === "failed")
      return Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(record.failures - 1, 20));
    const startMs = this.specOf(guestId)?.startMs ?? 0;
    const gotNowhere = settlement.usefulMs <= startMs;
    return gotNowhere ? backoffMsMin : 0;
  }
}
