import { checkpointIntervalMs } from "../core/checkpoint-interval.ts";
import { unlentReason, type CycleDecisions, type Lend } from "../core/cycle.ts";
import type { WaitingGuest } from "../core/guest.ts";
import type { Lease } from "../core/lease.ts";
import type { Snapshot } from "../core/snapshot.ts";
import { specToProto } from "../api/convert/guest.ts";
import { grantToProto } from "../api/convert/lease.ts";
import type { Settings } from "../config/settings.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { LeaseStore } from "../store/lease-store.ts";
import type { LedgerStream } from "../store/ledger-stream.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { lostStep } from "./lost-step.ts";
import { strayLeases } from "./recovery.ts";
import type { Decider } from "./decide.ts";
import type { Fleet } from "./fleet.ts";
import type { GuestMoves } from "./guest-moves.ts";
import type { Journal } from "./journal.ts";
import type { LeaseSteps } from "./lease-steps.ts";
import type { LiveGuests } from "./live-guests.ts";
import type { MemoryProofs } from "./memory-proofs.ts";
import type { OwnerForecast } from "./owner-forecast.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { Reign } from "./reign.ts";
import { Slices } from "./slices.ts";
import type { Snapshots } from "./snapshots.ts";
import type { TenantUses } from "./tenant-uses.ts";

interface CycleParts {
  readonly fleet: Fleet;
  readonly queue: GuestQueue;
  readonly store: LeaseStore;
  readonly stream: LedgerStream;
  readonly signals: OwnerSignals;
  readonly snapshots: Snapshots;
  readonly decider: Decider;
  readonly forecast: OwnerForecast;
  readonly moves: GuestMoves;
  readonly steps: LeaseSteps;
  readonly guests: LiveGuests;
  readonly tenants: TenantUses;
  readonly memory: MemoryProofs;
  readonly journal: Journal;
  readonly reign: Reign;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Lends idle devices to waiting guests, over and over. Recalls never wait for it. */
export class Cycle {
  readonly #parts: CycleParts;
  #hasRoom = true;
  /** Leases may be in the books and nowhere else: a cycle failed, or Redis came back older. */
  #hasStrays = false;
  #wanted = Promise.withResolvers<void>();
  readonly #beganMs: number;
  #lendsFromMs = -Infinity;

  constructor(parts: CycleParts) {
    this.#parts = parts;
    this.#beganMs = parts.clock.monotonicMs();
  }

  /** Something changed that may allow a lend: the next cycle runs soon. */
  wake(): void {
    this.#wanted.resolve();
  }

  /** The books may hold leases that nobody knows of: the next cycle gives them back. */
  lookForStrays(): void {
    this.#hasStrays = true;
    this.wake();
  }

  /**
   * Redis came back older than an agent knows. A guest that waits in it may run on a host that has not called yet: nothing is
   * lent until each of those, heard by no leader since this one began, has ended its guests (I3).
   */
  waitForForgotten(): void {
    const { signals, settings, log } = this.#parts;
    const { terms, recall } = settings;
    const cutOffMs = Math.max(terms.termMs, signals.recallDeadlineMsMax());
    const waitMs = cutOffMs + terms.driftMs + recall.killMarginMs + recall.proofMs;
    this.#lendsFromMs = this.#beganMs + waitMs;
    log.warn(`Redis came back older: nothing is lent in the first ${waitMs} ms of this leader`);
  }

  /** Guests came. Where the last cycle saw no device that waits for one, they can wait for the next. */
  wakeForGuests(): void {
    if (this.#hasRoom) this.wake();
  }

  /** Runs until the signal aborts. A failed cycle is logged and the next one tries again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings, log } = this.#parts;
    while (!signal.aborted) {
      const begunMs = clock.monotonicMs();
      try {
        await this.#once();
      } catch (thrown) {
        this.#hasStrays = true;
        log.error({ err: thrown }, "a decision cycle failed; what it lent and did not start is given back");
        await clock.sleep(settings.cycle.intervalMs, signal);
      }
      await clock.sleep(Math.max(0, settings.cycle.intervalMsMin - (clock.monotonicMs() - begunMs)), signal);
      const resting = new AbortController();
      await Promise.race([
        this.#wanted.promise,
        clock.sleep(settings.cycle.intervalMs, AbortSignal.any([signal, resting.signal])),
      ]);
      resting.abort();
      this.#wanted = Promise.withResolvers();
    }
  }

  async #once(): Promise<void> {
    const { queue, snapshots, decider, metrics, tenants, clock } = this.#parts;
    // 1 heads
    await queue.refill();
    if (this.#hasStrays) await this.#giveBackStrays();
    // 2 snapshot
    tenants.count();
    const begunMs = clock.monotonicMs();
    const snapshot = await snapshots.take(queue.heads());
    // 3 decide
    const decisions = await decider.decide(snapshot);
    metrics.cycleSeconds.observe((clock.monotonicMs() - begunMs) / 1_000);
    await this.#writeUnlent(snapshot, decisions);
    await this.#parts.moves.order();
    // 4 validate, 5 apply; 6 what was not lent simply stays at the heads, with its reason in `last`
    const heads = new Map(snapshot.guests.map((guest) => [guest.id, guest]));
    await this.#lend(decisions.lends, heads);
  }

  async #lend(lends: readonly Lend[], heads: ReadonlyMap<string, WaitingGuest>): Promise<void> {
    if (lends.length === 0) return;
    const { store, stream, clock, metrics, reign, fleet, queue, guests, log } = this.#parts;
    if (clock.monotonicMs() < this.#lendsFromMs) return;
    if (await stream.isFull()) {
      log.error("the ledger's stream is full: nothing is lent until the books have caught up");
      return;
    }
    const waiting = new Set(queue.heads().map(({ id }) => id));
    const valid = lends.filter(
      (lend) => waiting.has(lend.guestId) && guests.specOf(lend.guestId) === undefined && this.#mayLend(lend),
    );
    if (valid.length < lends.length)
      metrics.lendRefused.inc({ reason: "changed_meanwhile" }, lends.length - valid.length);
    await this.#parts.memory.lending(valid.flatMap(({ grants }) => grants.map(({ device }) => device)));
    const results = await store.lend(
      valid.map((lend) => {
        const spec = heads.get(lend.guestId)!.spec;
        return {
          epoch: reign.epoch,
          guestId: lend.guestId,
          tenant: spec.tenant,
          host: lend.host,
          grants: lend.grants,
          memoryLendableMib: lend.grants.map(({ device }) => this.#memoryLendableMib(device)),
          trustGroup: spec.trustGroup,
          reasonCode: lend.reasonCode,
          reason: lend.reason,
          forecastHash: lend.forecastHash,
        };
      }),
      clock.wallMs(),
    );
    if (reign.lost.aborted) return;
    let areOlder = false;
    const ended: string[] = [];
    const admitted: { lease: Lease; guest: WaitingGuest }[] = [];
    results.forEach((result, index) => {
      const lend = valid[index]!;
      if ("refused" in result) {
        metrics.lendRefused.inc({ reason: result.refused });
        log.warn({ guest: lend.guestId, why: result.refused }, `the books refused a lend: ${result.refused}`);
        // Its end is in the record, but a crash kept it from leaving the queue.
        if (result.refused === "guest_ended") ended.push(lend.guestId);
        if (result.refused === "guest_has_lease" || result.refused === "quarantined") this.#hasStrays = true;
        return;
      }
      if (!reign.gave(result.lent.token)) {
        // Its agent may have seen the token, and would take the order for an old one.
        log.error(
          { lease: result.lent.id, guest: lend.guestId },
          "the books gave a token twice: Redis came back older",
        );
        areOlder = true;
        return;
      }
      if (!queue.admit(lend.guestId)) {
        this.#giveBack(result.lent, "the guest left the queue");
        return;
      }
      metrics.lends.inc();
      log.info(
        {
          guest: lend.guestId,
          lease: result.lent.id,
          devices: lend.grants.map(({ device }) => device),
          reason: lend.reason,
        },
        `lent to ${result.lent.tenant}: ${lend.reasonCode}`,
      );
      admitted.push({ lease: result.lent, guest: heads.get(lend.guestId)! });
    });
    if (areOlder) {
      this.#hasStrays = true;
      await reign.raiseAboveOwn();
    }
    await this.#finish(ended);
    if (admitted.length === 0) return;
    const queued = await Promise.all(admitted.map(({ guest }) => queue.get(guest.id)));
    const records = await store.guestRecords(admitted.map(({ guest }) => guest.id));
    if (reign.lost.aborted) return;
    admitted.forEach(({ lease, guest }, index) => {
      fleet.addLease(lease, clock.monotonicMs());
      const known = queued[index];
      if (known !== null && known !== undefined) guests.started(known, records.get(guest.id), lease.id);
      this.#start(lease, guest);
    });
  }

  async #giveBackStrays(): Promise<void> {
    const { fleet, steps, store, queue, guests, clock } = this.#parts;
    const { live, ended, proven } = await strayLeases({ fleet, steps, store });
    for (const lease of [...live, ...ended]) {
      const queued = await queue.get(lease.guestId);
      queue.admit(lease.guestId);
      fleet.addLease(lease, clock.monotonicMs());
      if (queued !== null) guests.started(queued, undefined, lease.id);
    }
    for (const lease of live) this.#giveBack(lease, "nobody but the books knows of it");
    for (const lease of ended)
      this.#end(lease, "quarantined", "it had ended without proof before Redis came back older");
    for (const lease of proven) {
      fleet.addLease(lease, clock.monotonicMs());
      steps.take(
        lostStep(lease, clock.monotonicMs(), "its hand-back was proven before Redis came back older"),
      );
    }
    this.#hasStrays = false;
  }

  /** Ends a lease whose start was never sent; it counts against nobody. */
  #giveBack(lease: Lease, why: string): void {
    const { fleet, clock } = this.#parts;
    if (!fleet.leases.has(lease.id)) fleet.addLease(lease, clock.monotonicMs());
    this.#end(lease, "released", `not started: ${why}`);
  }

  /** Of an attempt that is worth nothing, or whose worth was booked before. */
  #end(lease: Lease, state: "released" | "quarantined", detail: string): void {
    const { steps, clock } = this.#parts;
    const nothing = { exitCode: null, exitSignal: "", checkpointAgeMs: null, workedMs: 0, vacateMs: null };
    const step = { ...lostStep(lease, clock.monotonicMs(), detail), state };
    steps.take(step, undefined, { ...nothing, outcome: "checkpointed", usefulMs: 0, lostMs: 0 });
  }

  async #finish(ended: readonly string[]): Promise<void> {
    const { queue, store } = this.#parts;
    for (const [id, { state }] of await store.guestRecords(ended))
      if (state === "succeeded" || state === "failed" || state === "cancelled") await queue.finish(id, state);
  }

  #memoryLendableMib(uuid: string): number | null {
    const device = this.#parts.fleet.devices.get(uuid);
    const total = device?.info.memoryTotalMib ?? null;
    if (device === undefined || total === null) return null;
    return Math.max(0, total - this.#parts.signals.policyOf(device.info.pool).reserveMemoryMib);
  }

  #start(lease: Lease, guest: WaitingGuest): void {
    const { fleet, settings } = this.#parts;
    const session = fleet.agents.get(lease.host);
    const hasLeft = session === undefined || session.outgoing.ended;
    // What came while the books were written found no lease to take back.
    const cancelled = fleet.leases.get(lease.id)?.cancel ?? null;
    if (hasLeft || cancelled !== null || !this.#mayLend(lease)) {
      const away = hasLeft ? "its agent left" : "the owner wants the device";
      this.#giveBack(lease, cancelled?.reason ?? away);
      return;
    }
    const { spec } = guest;
    const curve = this.#parts.forecast.curve(lease.grants[0]?.device ?? "");
    session.command("start", lease, {
      guestId: guest.id,
      attempt: lease.attempt,
      spec: specToProto(spec),
      grants: lease.grants.map((grant) => grantToProto(grant)),
      checkpointIntervalMs:
        spec.checkpointIntervalMs ??
        checkpointIntervalMs(curve, settings.forecast.horizonMs, settings.guest.checkpointIntervalMs),
      noticeMs: spec.noticeMs,
    });
  }

  /** The live state may have moved since the snapshot; a stale decision is dropped, not failed. */
  #mayLend({ grants }: Pick<Lend, "grants">): boolean {
    const { fleet, signals, clock, memory } = this.#parts;
    const nowMs = clock.monotonicMs();
    return grants.every(({ device: uuid }) => {
      const device = fleet.devices.get(uuid);
      if (device === undefined || device.recalls.size > 0 || nowMs < device.restUntilMs) return false;
      if (signals.standsAgainst(device.info) !== null || memory.isOwed(uuid)) return false;
      if (device.quarantine !== null || fleet.agentOf(device) === undefined) return false;
      return device.tracker.at(nowMs).state === "idle";
    });
  }

  /** Why each idle device is not lent goes into the books when it changes. */
  async #writeUnlent({ devices }: Snapshot, decisions: CycleDecisions): Promise<void> {
    const { fleet, journal, clock } = this.#parts;
    const atMs = clock.wallMs();
    const slices = new Slices(clock);
    let hasRoom = false;
    for (let place = 0; place < devices.length; place += 1) {
      if (place % 1_024 === 0) await slices.breathe();
      const reason = unlentReason(decisions, place);
      if (reason === null) continue;
      if (reason === "no_guests" || reason === "no_fit" || reason === "fragment") hasRoom = true;
      const { uuid } = devices[place]!.info;
      const device = fleet.devices.get(uuid);
      if (device === undefined || device.writtenUnlentReason === reason) continue;
      device.writtenUnlentReason = reason;
      journal.write({ type: "unlent", atMs, device: uuid, reason });
    }
    this.#hasRoom = hasRoom;
  }
}
