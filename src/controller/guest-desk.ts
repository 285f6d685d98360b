import { reasons, type ReasonCode } from "../core/reasons.ts";
import type {
  Explanation,
  GuestChange,
  GuestDesk,
  GuestPage,
  GuestQuery,
  GuestView,
  LogPiece,
  LogQuery,
  Submission,
  SubmitOutcome,
  WatchFilter,
} from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { QueuedGuest } from "../queue/guest-job.ts";
import type { GuestQueue, WaitsFor } from "../queue/guest-queue.ts";
import type { LeaseStore } from "../store/lease-store.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Cycle } from "./cycle.ts";
import type { Decider } from "./decide.ts";
import type { Fleet } from "./fleet.ts";
import { viewGuest, type GuestChanges } from "./guest-book.ts";
import type { LeaseOrders } from "./lease-orders.ts";
import type { LogReads } from "./log-reads.ts";
import type { TenantUses } from "./tenant-uses.ts";

/** A page that filters by state reads this many guests of the list at most before it answers with what it has. */
const scannedMax = 10_000;

const reasonOf = {
  backoff: "backoff",
  others: "behind_in_lane",
  decision: "next_cycle",
} as const satisfies Record<WaitsFor, ReasonCode>;

interface GuestsParts {
  readonly fleet: Fleet;
  readonly queue: GuestQueue;
  readonly store: LeaseStore;
  readonly orders: LeaseOrders;
  readonly changes: GuestChanges;
  readonly logs: LogReads;
  readonly tenants: TenantUses;
  readonly cycle: Cycle;
  readonly decider: Decider;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What submitters may ask for. */
export class Guests implements GuestDesk {
  readonly #parts: GuestsParts;

  constructor(parts: GuestsParts) {
    this.#parts = parts;
  }

  async submit(submissions: readonly Submission[]): Promise<readonly SubmitOutcome[]> {
    const { queue, changes, cycle } = this.#parts;
    const outcomes = await queue.submit(submissions);
    const known = outcomes.flatMap((outcome) =>
      "refused" in outcome || outcome.created ? [] : [outcome.id],
    );
    const present = new Map((await this.#views(known)).map((guest) => [guest.id, guest]));
    cycle.wakeForGuests();
    return outcomes.map((outcome): SubmitOutcome => {
      if ("refused" in outcome) return { refused: outcome.refused };
      const accepted = present.get(outcome.id) ?? viewGuest(outcome, undefined, undefined);
      if (outcome.created && changes.isWatched) changes.publish(accepted);
      return { accepted, created: outcome.created };
    });
  }

  async get(id: string): Promise<GuestView> {
    const [guest] = await this.#views([id]);
    if (guest === undefined) throw new GleanerError("GUEST_NOT_FOUND", { id });
    return guest;
  }

  async list({ tenant, states, pageSize, afterSequence }: GuestQuery): Promise<GuestPage> {
    const found: GuestView[] = [];
    let after = afterSequence;
    for (let scanned = 0; scanned < scannedMax;) {
      const listed = await this.#parts.queue.list({ tenant, afterSequence: after, limit: pageSize });
      for (const guest of await this.#withRecords(listed)) {
        after = guest.sequence;
        if (states.length > 0 && !states.includes(guest.state)) continue;
        found.push(guest);
        if (found.length === pageSize) return { guests: found, nextAfterSequence: after };
      }
      if (listed.length < pageSize) return { guests: found, nextAfterSequence: null };
      scanned += listed.length;
    }
    return { guests: found, nextAfterSequence: after };
  }

  /** In the books before anybody is told, so that neither a crash nor an agent that is away runs the guest again. */
  async cancel(id: string, reason: string): Promise<GuestView> {
    const { fleet, queue, store, orders, changes, clock, log } = this.#parts;
    const guest = await this.get(id);
    if (guest.state === "succeeded" || guest.state === "failed" || guest.state === "cancelled") return guest;
    const why = reason || "cancelled by its submitter";
    const record = await store.cancel(id, guest.spec.tenant, why, clock.wallMs());
    if (record.endedAtMs !== null) await queue.cancelWaiting(id);
    else {
      // A lend whose record was read just before this wish was written enters the fleet in this same turn.
      await this.#parts.clock.turn();
      const live = fleet.leases.get(record.liveLease);
      if (live !== undefined) orders.cancel(live, guest.spec.noticeMs, record.cancelReason ?? why);
    }
    log.info({ guest: id, lease: record.liveLease, reason: why }, "cancelled");
    const now = await this.get(id);
    changes.publish(now);
    return now;
  }

  watch(filter: WatchFilter, signal: AbortSignal): AsyncIterable<GuestChange> {
    const present = async function* (desk: Guests): AsyncIterable<GuestView> {
      if (filter.ids.length > 0) {
        yield* await desk.#views(filter.ids);
        return;
      }
      for (let after: number | null = 0; after !== null;) {
        const page: GuestPage = await desk.list({
          tenant: filter.tenant,
          states: [],
          pageSize: 500,
          afterSequence: after,
        });
        yield* page.guests;
        after = page.nextAfterSequence;
      }
    };
    return this.#parts.changes.watch(filter, () => present(this), signal);
  }

  async explain(id: string): Promise<Explanation> {
    const { queue, tenants, decider } = this.#parts;
    const guest = await this.get(id);
    const use = tenants.of(guest.spec.tenant);
    const waiting = guest.state === "waiting";
    const facts = {
      guest,
      waitingSinceMs: guest.submittedAtMs,
      placeInTenant: waiting ? queue.placeInTenant(id) : 0,
      waitingTotal: queue.waitingTotal(),
      tenantDeviceSeconds: use.usedDeviceMs / 1_000,
      tenantWeight: use.weight,
    };
    if (!waiting)
      return {
        ...facts,
        reasonCode: guest.state,
        reason: guest.reason || `The guest is ${guest.state}.`,
        obstacles: [],
      };
    const found = await decider.explain(id);
    if (found === null) return { ...facts, ...(await this.#notYetConsidered(guest)), obstacles: [] };
    const { reasonCode, reason, obstacles } = found;
    return { ...facts, reasonCode, reason, obstacles };
  }

  async #notYetConsidered({ id, spec }: GuestView): Promise<{ reasonCode: string; reason: string }> {
    const { queue, clock } = this.#parts;
    const isEarly = spec.notBeforeMs !== null && spec.notBeforeMs > clock.wallMs();
    const code = isEarly ? "not_before" : reasonOf[await queue.waitsFor(id)];
    return { reasonCode: code, reason: reasons[code] };
  }

  async *logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogPiece> {
    const { store, fleet, logs } = this.#parts;
    const guest = await this.get(query.id);
    const host = guest.host || ((await store.guestRecords([query.id])).get(query.id)?.host ?? "");
    if (host === "") throw new GleanerError("LOG_NOT_FOUND", { id: query.id, why: ": it has not run yet" });
    const session = fleet.agents.get(host);
    if (session === undefined) throw new GleanerError("AGENT_UNREACHABLE", { host });
    yield* logs.read(session, query, signal);
  }

  async #views(ids: readonly string[]): Promise<GuestView[]> {
    const queued = await Promise.all(ids.map((id) => this.#parts.queue.get(id)));
    return this.#withRecords(queued.filter((guest) => guest !== null));
  }

  async #withRecords(queued: readonly QueuedGuest[]): Promise<GuestView[]> {
    const { store, fleet } = this.#parts;
    if (queued.length === 0) return [];
    const records = new Map(await store.guestRecords(queued.map(({ id }) => id)));
    // A record that was read while its lease came to an end speaks of what is over.
    const overtaken = [...records].filter(
      ([, { liveLease }]) => liveLease !== "" && !fleet.leases.has(liveLease),
    );
    if (overtaken.length > 0)
      for (const [id, record] of await store.guestRecords(overtaken.map(([id]) => id)))
        records.set(id, record);
    return queued.map((guest) => {
      const record = records.get(guest.id);
      return viewGuest(guest, record, fleet.leases.get(record?.liveLease ?? ""));
    });
  }
}
