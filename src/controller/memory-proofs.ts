import type { DeviceUuid, Sample } from "../core/device.ts";
import { isLive, type Lease } from "../core/lease.ts";
import { judgeMemory, type MemoryClaim, type MemoryRules } from "../core/memory-proof.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { LeaseStore } from "../store/lease-store.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { Quarantines } from "./quarantine.ts";

interface MemoryProofsParts {
  readonly fleet: Fleet;
  readonly store: LeaseStore;
  readonly quarantines: Quarantines;
  readonly rules: MemoryRules;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The part of the hand-back that only telemetry can prove: that the device's memory is free again. Nobody waits for it but
 * the next guest: an owner has the device when the processes are gone. The claims are in Redis too, so that the next leader
 * asks for the same proof.
 */
export class MemoryProofs {
  readonly #parts: MemoryProofsParts;
  readonly #claims = new Map<DeviceUuid, MemoryClaim>();
  /** What Redis was not told yet; null: the claim is settled. */
  readonly #unwritten = new Map<DeviceUuid, number | null>();
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: MemoryProofsParts) {
    this.#parts = parts;
  }

  /** After the leases and the quarantines are known. A device without a lease owes its proof from now on. */
  async load(): Promise<void> {
    const { store, fleet, quarantines, clock } = this.#parts;
    const lent = new Set(
      [...fleet.leases.values()].flatMap(({ lease }) => lease.grants.map(({ device }) => device)),
    );
    for (const [uuid, beforeMib] of await store.memoryBefore())
      this.#claims.set(uuid, { beforeMib, endedAtMs: lent.has(uuid) ? null : clock.monotonicMs() });
    // Settled before a crash kept the books from following.
    for (const uuid of quarantines.heldForMemory()) if (!this.#claims.has(uuid)) quarantines.liftMemory(uuid);
  }

  /** The last guest has left the device, and its memory has not been seen to be free. */
  isOwed(uuid: DeviceUuid): boolean {
    return (this.#claims.get(uuid)?.endedAtMs ?? null) !== null;
  }

  /** Before anything is lent: what the memory must come back to is in Redis when it resolves. */
  async lending(uuids: readonly DeviceUuid[]): Promise<void> {
    for (const uuid of uuids) {
      const device = this.#parts.fleet.devices.get(uuid);
      const beforeMib = device?.unlentMemoryMib ?? null;
      // With guests beside it the memory of before stands as it is.
      if (device === undefined || beforeMib === null || device.leases.size > 0 || this.isOwed(uuid)) continue;
      this.#claims.set(uuid, { beforeMib, endedAtMs: null });
      this.#unwritten.set(uuid, beforeMib);
    }
    if (this.#unwritten.size > 0) await this.flush();
  }

  /** Called for every step, when the lease is off its devices. */
  stepped(before: Lease, { state }: Pick<Lease, "state">): void {
    if (!isLive(before.state) || isLive(state)) return;
    for (const { device: uuid } of before.grants) {
      const claim = this.#claims.get(uuid);
      if (claim !== undefined && (this.#parts.fleet.devices.get(uuid)?.leases.size ?? 0) === 0)
        this.#claims.set(uuid, { ...claim, endedAtMs: this.#parts.clock.monotonicMs() });
    }
  }

  /** Called for every sample, when the owner's state has followed it. */
  take(device: Device, sample: Sample, nowMs: number): void {
    const { uuid } = device.info;
    if (device.leases.size > 0) return;
    // Where the source tells guests from the owner, its memory says nothing of guests.
    const { attribution, memoryUsedMib } = sample;
    if (attribution === "owner") device.unlentMemoryMib = null;
    else if (memoryUsedMib !== null && memoryUsedMib >= 0) device.unlentMemoryMib = memoryUsedMib;
    const claim = this.#claims.get(uuid);
    if (claim === undefined) return;
    const verdict = judgeMemory(claim, sample, device.tracker.at(nowMs), this.#parts.rules);
    const { quarantines, log } = this.#parts;
    if (verdict.word === "open") return;
    if (verdict.word === "unproven") {
      quarantines.addMemory(uuid, verdict.reason);
      return;
    }
    log.debug({ device: uuid, verdict: verdict.word }, "the memory of the last guest counts as given back");
    this.#claims.delete(uuid);
    this.#unwritten.set(uuid, null);
    quarantines.liftMemory(uuid);
  }

  /** Tells Redis what it does not know yet; what it does not take is told with the next. */
  async flush(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write());
    await this.#writing;
  }

  async #write(): Promise<void> {
    const changes = [...this.#unwritten];
    if (changes.length === 0) return;
    await this.#parts.store.setMemoryBefore(changes);
    for (const [uuid, beforeMib] of changes)
      if (this.#unwritten.get(uuid) === beforeMib) this.#unwritten.delete(uuid);
  }
}
