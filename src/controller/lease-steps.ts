import { compareTokens, isLive, leaseTransitions, type Lease, type Mover } from "../core/lease.ts";
import type { LeaseStep as StepReport } from "../api/convert/lease.ts";
import { settle } from "../core/settlement.ts";
import type { Settlement } from "../core/ledger-event.ts";
import { asGleanerError } from "../errors/gleaner-error.ts";
import type { GuestRecord, LeaseStep, LeaseStore, StepRefusal, StepResult } from "../store/lease-store.ts";
import { stepEvent } from "../store/lease-requests.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Fleet, LiveLease } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import type { LiveGuests } from "./live-guests.ts";
import { WriteBehind } from "./write-behind.ts";

/** Steps that may wait for Redis; beyond it agents are not acknowledged and report again. */
const waitingMax = 100_000;
const retryMs = 250;

interface Waiting {
  readonly step: LeaseStep;
  readonly live: LiveLease;
  readonly acknowledge: () => void;
}

/** Is told of a step at the moment that it is heard of, before any book is written. `settlement`: with an attempt's end. */
export type StepListener = (
  live: LiveLease,
  before: LiveLease["lease"],
  report: StepReport,
  settlement: Settlement | null,
) => void;

/**
 * Takes lease steps, from agents or decided here, into the live view at once and into the books afterwards: in order, each
 * once, batched. What follows from a final step (the guest's place in the queue) happens when the books have it.
 */
export class LeaseSteps {
  readonly #fleet: Fleet;
  readonly #store: LeaseStore;
  readonly #queue: GuestQueue;
  readonly #guests: LiveGuests;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #listeners: StepListener[] = [];
  readonly #endListeners: (() => void)[] = [];
  readonly #strayListeners: (() => void)[] = [];
  readonly #waiting: WriteBehind<Waiting, readonly StepResult[]>;
  /** By lease: how many of its steps the books do not have. */
  readonly #unbooked = new Map<string, number>();

  constructor(parts: {
    fleet: Fleet;
    store: LeaseStore;
    queue: GuestQueue;
    guests: LiveGuests;
    journal: Journal;
    clock: Clock;
    log: Logger;
    metrics: Metrics;
  }) {
    this.#fleet = parts.fleet;
    this.#store = parts.store;
    this.#queue = parts.queue;
    this.#guests = parts.guests;
    this.#journal = parts.journal;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#metrics = parts.metrics;
    this.#waiting = new WriteBehind({
      clock: parts.clock,
      retryMs,
      write: (batch) => parts.store.applySteps(batch.map(({ step }) => step)),
      written: async (batch, results) => {
        await Promise.all(batch.map((waiting, index) => this.#follow(waiting, results[index])));
      },
      failed: (err, waiting) =>
        parts.log.warn({ err, waiting }, "lease steps cannot be booked; trying again"),
    });
  }

  /** Called when an attempt's end is in the books: only then can its devices be lent again. */
  onEnded(listener: () => void): void {
    this.#endListeners.push(listener);
  }

  /** Called when the books hold a lease that is none here: they are older than what was done since. */
  onStray(listener: () => void): void {
    this.#strayListeners.push(listener);
  }

  onStep(listener: StepListener): void {
    this.#listeners.push(listener);
  }

  /**
   * `acknowledge` is called once the books have the step, or when they show that it needs no booking. `settlement` is what
   * the attempt was worth where the report cannot tell.
   */
  take(told: StepReport, acknowledge: () => void = () => {}, settlement?: Settlement): void {
    const { leases, unproven } = this.#fleet;
    const named = [leases.get(told.leaseId), unproven.get(told.leaseId)];
    const live = named.find(
      (each) => each !== undefined && compareTokens(each.lease.token, told.token) === 0,
    );
    if (live === undefined) {
      this.#needsNoBooking(told, acknowledge);
      return;
    }
    const before = live.lease;
    // A host that fell has forgotten steps that it had told; that the lease is over it knows for certain.
    const hasForgotten = isLive(before.state) && !isLive(told.state) && told.step <= before.step;
    const report = hasForgotten ? { ...told, step: before.step + 1, end: null } : told;
    // A late proof counts whatever its number: the step that ended an absent agent's lease was counted here.
    const isProof = !isLive(before.state) && report.state === "released";
    const step = isProof ? Math.max(report.step, before.step + 1) : report.step;
    if (step <= before.step || !leaseTransitions[before.state][report.state]) {
      this.#needsNoBooking(report, acknowledge);
      return;
    }
    if (this.#waiting.waiting >= waitingMax) return;
    const ends = isLive(before.state) && !isLive(report.state);
    const settled = ends ? (settlement ?? settlementOf(live, report)) : null;
    const atMs = Math.round(this.#clock.wallMs() - (this.#clock.monotonicMs() - report.atMs));
    this.#fleet.moveLease(live, { state: report.state, stateSinceMs: atMs, step });
    for (const listener of this.#listeners) listener(live, before, report, settled);
    const spec = this.#guests.specOf(before.guestId);
    this.#unbooked.set(report.leaseId, (this.#unbooked.get(report.leaseId) ?? 0) + 1);
    this.#waiting.push({
      live,
      acknowledge,
      step: {
        leaseId: report.leaseId,
        token: report.token,
        step,
        state: report.state,
        mover: report.mover,
        detail: report.detail,
        atMs,
        signalToStepMs: report.signalToStepMs,
        recallId: report.recallId,
        settlement: settled,
        retries: spec?.retries ?? 0,
        evictionsMax: spec?.evictionsMax ?? Number.MAX_SAFE_INTEGER,
      },
    });
    this.#guests.changed(before.guestId);
  }

  /** An acknowledgement covers every step before it: while one of the lease is on its way to the books, the agent waits. */
  #needsNoBooking({ leaseId }: StepReport, acknowledge: () => void): void {
    if (!this.#unbooked.has(leaseId)) acknowledge();
  }

  /** Steps that wait for Redis. */
  get backlog(): { readonly waiting: number; readonly max: number } {
    return { waiting: this.#waiting.waiting, max: waitingMax };
  }

  async flush(): Promise<void> {
    await this.#waiting.flush();
  }

  async close(): Promise<void> {
    await this.#waiting.close();
  }

  /** Leads no more: what was not acknowledged stays with the agents, for the next leader. */
  stop(): void {
    this.#waiting.stop();
  }

  async #follow({ step, live, acknowledge }: Waiting, result: StepResult | undefined): Promise<void> {
    if (result === undefined) return;
    if (!result.applied && result.why !== "repeated")
      this.#log.warn(
        { lease: step.leaseId, state: step.state, why: result.why },
        "the books refused a lease step",
      );
    // The next leader has to hear of it, so the agent must not forget it.
    if (!result.applied && result.why === "stale_epoch") return;
    if (step.settlement !== null)
      await (result.applied
        ? this.#endAttempt(live, step.settlement, step.mover, result)
        : this.#followRecord(live.lease, step, step.settlement, result.why));
    if (this.#waiting.stopped.aborted) return;
    const unbooked = (this.#unbooked.get(step.leaseId) ?? 1) - 1;
    if (unbooked > 0) this.#unbooked.set(step.leaseId, unbooked);
    else this.#unbooked.delete(step.leaseId);
    acknowledge();
    if (step.settlement !== null) for (const listener of this.#endListeners) listener();
  }

  async #endAttempt(
    live: LiveLease,
    settlement: Settlement,
    mover: Mover,
    { guestState, record }: StepResult & { applied: true },
  ): Promise<void> {
    const { lease } = live;
    const ran = { guest: lease.guestId, lease: lease.id, host: lease.host, outcome: settlement.outcome };
    this.#log.info(
      {
        ...ran,
        exitCode: settlement.exitCode,
        usefulMs: settlement.usefulMs,
        lostMs: settlement.lostMs,
        next: guestState,
      },
      `attempt ${lease.attempt} ended: ${settlement.outcome}`,
    );
    const pool = this.#poolOf(live);
    this.#metrics.leases.inc({ pool, outcome: settlement.outcome });
    if (settlement.outcome === "evicted") this.#metrics.evictions.inc({ pool, mover });
    await this.#queueFollows(lease, settlement, record);
  }

  /** The books have no such end, or another: what they say of the guest is the truth, and the queue follows it. */
  async #followRecord(
    lease: Lease,
    step: LeaseStep,
    settlement: Settlement,
    why: StepRefusal,
  ): Promise<void> {
    if (why === "unknown_lease") {
      // The SQL books may be newer than Redis and know the lease: there it ends before another bears its name.
      this.#journal.write(stepEvent(step));
      await this.#journal.flush();
    }
    await this.#queueFollows(lease, settlement, null);
  }

  /** Tried until it does. A record that failed us once is read again: Redis may have come back older than it. */
  async #queueFollows(
    { id, guestId }: Lease,
    settlement: Settlement,
    known: GuestRecord | null,
  ): Promise<void> {
    for (let isFirst = true; !this.#waiting.stopped.aborted; isFirst = false) {
      try {
        const record =
          isFirst && known !== null ? known : (await this.#store.guestRecords([guestId])).get(guestId);
        if (record !== undefined && record.liveLease !== "") {
          this.#guests.ended({ id, guestId }, record);
          for (const listener of this.#strayListeners) listener();
          return;
        }
        if (!(await this.#leaveOrWait(guestId, settlement, record))) continue;
        this.#guests.ended({ id, guestId }, record);
        return;
      } catch (thrown) {
        // Nobody repeats it for us: the books have the step. Recovery puts the queue right after a restart.
        const error = asGleanerError(thrown);
        this.#log.error({ err: error, lease: id }, "the queue does not follow the end of an attempt yet");
        if (error.code !== "REDIS_UNREACHABLE") {
          this.#guests.ended({ id, guestId }, known ?? undefined);
          return;
        }
        await this.#clock.sleep(retryMs, this.#waiting.stopped);
      }
    }
  }

  /** The guest's place in the queue follows its record; without one it waits. False: the record is another by now. */
  async #leaveOrWait(
    guestId: string,
    settlement: Settlement,
    record: GuestRecord | undefined,
  ): Promise<boolean> {
    if (record === undefined) await this.#queue.putBack(guestId, { evictions: 0, workedMs: 0, delayMs: 0 });
    else if (record.state === "waiting") {
      const delayMs = this.#guests.backoffMs(guestId, settlement, record);
      const { evictions, workedMs } = record;
      await this.#queue.putBack(guestId, { evictions, workedMs, delayMs });
    } else if (record.state === "succeeded" || record.state === "failed" || record.state === "cancelled") {
      return this.#queue.finish(guestId, record.state);
    }
    return true;
  }

  #poolOf(live: LiveLease): string {
    const device = live.lease.grants[0]?.device ?? "";
    return this.#fleet.devices.get(device)?.info.pool ?? "";
  }
}

function settlementOf(live: LiveLease, report: StepReport): Settlement {
  return settle({
    mover: report.mover,
    end: report.end ?? {
      exitCode: null,
      exitSignal: "",
      checkpointAgeMs: live.checkpointAgeMs,
      workedMs: live.workedMs,
      vacateMs: null,
    },
    cancelled: live.cancel !== null,
    agentLost: report.end === null,
  });
}
