import type { GuestState } from "../core/guest.ts";
import { isLive, type Lease, type LiveLeaseState } from "../core/lease.ts";
import type { LiveLease } from "./fleet.ts";
import type { GuestChange, GuestView, WatchFilter } from "../api/ports.ts";
import type { QueuedGuest } from "../queue/guest-job.ts";
import type { GuestRecord } from "../store/lease-store.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { Channel } from "../runtime/channel.ts";
import type { Clock } from "../runtime/clock.ts";

/** A guest as it is shown: its place in the queue, its record and its live lease in one. */
export function viewGuest(
  queued: QueuedGuest,
  record: GuestRecord | undefined,
  held: LiveLease | undefined,
): GuestView {
  const live = held !== undefined && isLive(held.lease.state) ? held.lease : undefined;
  const state = shownState(record, held?.lease);
  const hasEnded = record !== undefined && record.endedAtMs !== null;
  const cancelReason = hasEnded ? null : (held?.cancel?.reason ?? record?.cancelReason ?? null);
  return {
    id: queued.id,
    spec: queued.spec,
    state,
    reason: cancelReason ?? record?.reason ?? "",
    submittedAtMs: queued.submittedAtMs,
    sequence: queued.sequence,
    attempts: record?.attempts ?? 0,
    failures: record?.failures ?? 0,
    evictions: record?.evictions ?? 0,
    leaseId: live?.id ?? "",
    host: live?.host ?? "",
    devices: live?.grants.map((grant) => grant.device) ?? [],
    exitCode: record?.exitCode ?? null,
    endedAtMs: record?.endedAtMs ?? null,
    usefulDeviceMs: record?.usefulMs ?? 0,
    lostDeviceMs: record?.lostMs ?? 0,
    cancelling: cancelReason !== null,
  };
}

/** The lease is ahead of the books: until they have its end, what became of the guest is not known. */
function shownState(record: GuestRecord | undefined, held: Lease | undefined): GuestState {
  if (held !== undefined && isLive(held.state)) return stateOfLease(held.state);
  return held !== undefined && record?.liveLease === held.id ? "vacating" : (record?.state ?? "waiting");
}

function stateOfLease(state: LiveLeaseState): GuestState {
  switch (state) {
    case "starting":
    case "running":
    case "paused":
    case "vacating":
      return state;
    case "killing":
      return "vacating";
  }
}

interface Watcher {
  readonly filter: WatchFilter;
  readonly changes: Channel<GuestChange>;
}

/** Tells watchers of every change of a guest. Watchers and what each may be behind are bounded (I11). */
export class GuestChanges {
  readonly #clock: Clock;
  readonly #limits: { readonly watchersMax: number; readonly watchBacklogMax: number };
  readonly #watchers = new Set<Watcher>();

  constructor(clock: Clock, limits: { readonly watchersMax: number; readonly watchBacklogMax: number }) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** False: building the view would be for nobody. */
  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  get watching(): { readonly count: number; readonly max: number } {
    return { count: this.#watchers.size, max: this.#limits.watchersMax };
  }

  publish(guest: GuestView): void {
    const change = { guest, atMs: this.#clock.wallMs() };
    for (const watcher of this.#watchers) {
      const { ids, tenant } = watcher.filter;
      if (tenant !== "" && tenant !== guest.spec.tenant) continue;
      if (ids.length > 0 && !ids.includes(guest.id)) continue;
      if (watcher.changes.push(change)) continue;
      watcher.changes.fail(new GleanerError("WATCHER_TOO_SLOW", { count: this.#limits.watchBacklogMax }));
      this.#watchers.delete(watcher);
    }
  }

  /** The changes from now on; what is given first comes before them. */
  async *watch(
    filter: WatchFilter,
    present: () => AsyncIterable<GuestView>,
    signal: AbortSignal,
  ): AsyncIterable<GuestChange> {
    if (this.#watchers.size >= this.#limits.watchersMax)
      throw new GleanerError("TOO_MANY_WATCHERS", { countMax: this.#limits.watchersMax });
    const watcher: Watcher = { filter, changes: new Channel(this.#limits.watchBacklogMax) };
    this.#watchers.add(watcher);
    const leave = () => watcher.changes.close();
    signal.addEventListener("abort", leave, { once: true });
    try {
      if (!filter.changesOnly)
        for await (const guest of present()) yield { guest, atMs: this.#clock.wallMs() };
      if (!signal.aborted) yield* watcher.changes;
    } finally {
      signal.removeEventListener("abort", leave);
      this.#watchers.delete(watcher);
    }
  }
}
