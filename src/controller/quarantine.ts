import { BlackHoleWatch } from "../core/black-hole.ts";
import type { Lease } from "../core/lease.ts";
import type { Settlement } from "../core/ledger-event.ts";
import type { LeaseStep } from "../api/convert/lease.ts";
import type { Settings } from "../config/settings.ts";
import type { LeaseStore } from "../store/lease-store.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Fleet } from "./fleet.ts";

/** The cause under which a black hole is written; most others are the ids of leases without a proven hand-back. */
const blackHole = "black_hole";
/** The cause under which memory that was not given back is written. */
const memory = "memory";

/** Keeps devices out of use while their hand-back is not proven (I10) or guests keep failing on them at once. */
export class Quarantines {
  readonly #fleet: Fleet;
  readonly #store: LeaseStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #watch: BlackHoleWatch;
  readonly #forMs: number;
  /** Reasons by cause, by device. */
  readonly #causes = new Map<string, Map<string, string>>();
  /** Monotonic; when a black hole is tried again. */
  readonly #blackUntilMs = new Map<string, number>();

  constructor(parts: {
    fleet: Fleet;
    store: LeaseStore;
    clock: Clock;
    log: Logger;
    settings: Settings["blackHole"];
  }) {
    this.#fleet = parts.fleet;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#watch = new BlackHoleWatch(parts.settings);
    this.#forMs = parts.settings.forMs;
  }

  /** Takes every cause from the books as it stands there; the time of a black hole goes on. */
  async load(): Promise<void> {
    for (const [device, causes] of await this.#store.quarantines())
      for (const [cause, { reason, sinceMs }] of causes) {
        this.#add(device, cause, reason);
        if (cause !== blackHole) continue;
        // A wall clock that was set back must not make it longer than it was meant.
        const leftMs = Math.min(this.#forMs, sinceMs + this.#forMs - this.#clock.wallMs());
        this.#blackUntilMs.set(device, this.#clock.monotonicMs() + leftMs);
      }
  }

  /** Why a device is out of use; null: it is not. */
  of(uuid: string): string | null {
    return this.#causes.get(uuid)?.values().next().value ?? null;
  }

  /** Called for every step; `settlement` with the end of an attempt. */
  stepped(before: Lease, step: LeaseStep, settlement: Settlement | null): void {
    const uuids = before.grants.map(({ device }) => device);
    this.#judge(before, step, settlement);
    if (step.state === "quarantined") {
      for (const uuid of uuids) this.#add(uuid, before.id, step.detail || "the hand-back was not proven");
      this.#log.error(
        { lease: before.id, devices: uuids, detail: step.detail },
        "quarantined: the hand-back was not proven",
      );
    } else if (step.state === "released") {
      for (const uuid of uuids) this.#lift(uuid, before.id);
    }
  }

  /** The memory of a device is not free although its guests have ended and its owner does not work. */
  addMemory(uuid: string, reason: string): void {
    if (this.#causes.get(uuid)?.has(memory) === true) return;
    this.#add(uuid, memory, reason);
    this.#log.error({ device: uuid, reason }, "quarantined: memory was not given back");
    void this.#write(uuid, reason, this.#clock.wallMs(), memory);
  }

  liftMemory(uuid: string): void {
    if (this.#causes.get(uuid)?.has(memory) !== true) return;
    this.#lift(uuid, memory);
    this.#log.info({ device: uuid }, "the quarantine ended: the memory is given back");
    void this.#write(uuid, null, this.#clock.wallMs(), memory);
  }

  /** Devices whose memory was not given back. */
  heldForMemory(): string[] {
    return [...this.#causes].filter(([, causes]) => causes.has(memory)).map(([uuid]) => uuid);
  }

  /** Tries black holes again after their time. */
  expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [uuid, untilMs] of this.#blackUntilMs) {
      if (nowMs < untilMs) continue;
      this.#blackUntilMs.delete(uuid);
      this.#lift(uuid, blackHole);
      this.#log.info({ device: uuid }, "the quarantine of a black hole ended: it is tried again");
      void this.#write(uuid, null, this.#clock.wallMs());
    }
  }

  #judge(
    { grants, host, tenant, guestId, state }: Lease,
    step: LeaseStep,
    settlement: Settlement | null,
  ): void {
    const nowMs = this.#clock.monotonicMs();
    for (const { device } of grants) {
      const attempt = { device, host, tenant, guestId };
      if (state === "starting" && step.state === "running") this.#watch.began(attempt, nowMs);
      const reason = settlement === null ? null : this.#watch.ended(attempt, settlement, nowMs);
      if (reason === null) continue;
      this.#add(device, blackHole, reason);
      this.#blackUntilMs.set(device, nowMs + this.#forMs);
      this.#log.error({ device, lastGuest: guestId, reason }, `quarantined as a black hole: ${reason}`);
      void this.#write(device, reason, this.#clock.wallMs());
    }
  }

  #add(uuid: string, cause: string, reason: string): void {
    const causes = this.#causes.get(uuid) ?? new Map<string, string>();
    causes.set(cause, reason);
    this.#causes.set(uuid, causes);
    this.adopt(uuid);
  }

  #lift(uuid: string, cause: string): void {
    const causes = this.#causes.get(uuid);
    if (causes?.delete(cause) !== true) return;
    if (causes.size === 0) this.#causes.delete(uuid);
    this.adopt(uuid);
  }

  /** Shows the live view what is known; also for a device that the books named before its agent did. */
  adopt(uuid: string): void {
    const device = this.#fleet.devices.get(uuid);
    if (device !== undefined) device.quarantine = this.of(uuid);
  }

  /** `atMs`: of the judgement, however late it can be written. */
  async #write(uuid: string, reason: string | null, atMs: number, cause = blackHole): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      try {
        await this.#store.setQuarantine(uuid, reason, atMs, cause);
        return;
      } catch (thrown) {
        this.#log.warn({ err: thrown, device: uuid }, "a quarantine could not be written; trying again");
        await this.#clock.sleep(1_000 * 2 ** attempt);
      }
    }
    this.#log.error(
      { device: uuid, reason },
      "a quarantine was not written: it holds until this controller ends",
    );
  }
}
