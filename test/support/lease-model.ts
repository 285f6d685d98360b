import { leaseTransitions, type Lease, type LeaseState } from "../../src/core/lease.ts";
import type { WrittenEvent } from "../../src/core/ledger-event.ts";
import type { LeaseStep, LendRequest } from "../../src/store/lease-store.ts";

interface Guest {
  state: string;
  attempts: number;
  failures: number;
  evictions: number;
  liveLease: string;
  ended: boolean;
  cancelReason: string | null;
}

interface Booked {
  readonly request: LendRequest;
  readonly number: number;
  state: LeaseState;
  step: number;
}

/** What the scripts must do, once more and in the plainest way: no sums kept, everything looked up in the leases. */
export class LeaseModel {
  epoch = 1;
  generation = 1;
  number = 0;
  readonly guests = new Map<string, Guest>();
  readonly live = new Map<string, Booked>();
  readonly unproven = new Map<string, Booked>();
  /** Device → causes. */
  readonly quarantines = new Map<string, Map<string, string>>();
  readonly events: string[] = [];

  guest(id: string): Guest {
    const counts = { attempts: 0, failures: 0, evictions: 0 };
    const fresh = { state: "waiting", ...counts, liveLease: "", ended: false, cancelReason: null };
    return this.guests.get(id) ?? fresh;
  }

  lend(request: LendRequest): string {
    const guest = this.guest(request.guestId);
    if (request.epoch !== this.epoch) return "stale_epoch";
    if (guest.liveLease !== "") return "guest_has_lease";
    if (guest.ended) return "guest_ended";
    for (const [index, grant] of request.grants.entries()) {
      if (this.quarantines.has(grant.device)) return "quarantined";
      const others = [...this.live.values()].flatMap(({ request: { trustGroup, grants } }) =>
        grants.filter(({ device }) => device === grant.device).map((held) => ({ trustGroup, held })),
      );
      if (others.some(({ trustGroup }) => trustGroup !== request.trustGroup)) return "trust_mismatch";
      if (sum([grant, ...others.map(({ held }) => held)], "sharePermille") > 1_000) return "share_taken";
      const lendable = request.memoryLendableMib[index] ?? Infinity;
      if (sum([grant, ...others.map(({ held }) => held)], "memoryMib") > lendable) return "memory_taken";
    }
    this.number += 1;
    const attempts = guest.attempts + 1;
    const id = `${request.guestId}:${attempts}`;
    this.guests.set(request.guestId, { ...guest, attempts, state: "starting", liveLease: id });
    this.live.set(id, { request, number: this.number, state: "starting", step: 0 });
    this.events.push(`lent ${id}`, ...request.grants.map(({ device }) => `decision ${device} ${id}`));
    return id;
  }

  step(lease: Lease, step: LeaseStep): string {
    const guestId = lease.guestId;
    const guest = this.guest(guestId);
    const booked = this.live.get(lease.id) ?? this.unproven.get(lease.id);
    if (booked === undefined) return "repeated";
    if (step.token.number !== booked.number) return "stale_token";
    if (step.step <= booked.step) return "repeated";
    const isFinal = step.state === "released" || step.state === "quarantined";
    const isLive = this.live.has(lease.id);
    if (!leaseTransitions[booked.state][step.state]) return "bad_transition";
    if (isLive && isFinal && step.settlement === null) return "bad_transition";
    booked.step = step.step;
    booked.state = step.state;
    this.events.push(`step ${lease.id} ${step.state}`);
    if (!isFinal) {
      this.guests.set(guestId, { ...guest, state: step.state === "killing" ? "vacating" : step.state });
      return "applied";
    }
    const devices = booked.request.grants.map(({ device }) => device);
    if (!isLive) {
      this.unproven.delete(lease.id);
      for (const device of devices) this.setQuarantine(device, null, lease.id);
      return "applied";
    }
    this.live.delete(lease.id);
    if (step.state === "quarantined") {
      this.unproven.set(lease.id, booked);
      for (const device of devices) this.setQuarantine(device, step.detail, lease.id);
    }
    const outcome = step.settlement?.outcome;
    const failures = guest.failures + (outcome === "failed" ? 1 : 0);
    const left = outcome === "checkpointed" && step.settlement?.exitCode === 85;
    const evicts = left || outcome === "evicted" || outcome === "lost";
    const evictions = guest.evictions + (evicts ? 1 : 0);
    const tooOften =
      (outcome === "failed" && failures > step.retries) ||
      (evictions > guest.evictions && evictions > step.evictionsMax);
    const state =
      outcome === "done"
        ? "succeeded"
        : outcome === "cancelled"
          ? "cancelled"
          : tooOften
            ? "failed"
            : guest.cancelReason !== null
              ? "cancelled"
              : "waiting";
    this.guests.set(guestId, {
      ...guest,
      failures,
      evictions,
      liveLease: "",
      state,
      ended: state !== "waiting",
    });
    this.events.push(`guest ${guestId} ${state}`);
    return "applied";
  }

  cancel(guestId: string, reason: string): string {
    const guest = this.guest(guestId);
    if (guest.liveLease !== "") {
      this.guests.set(guestId, { ...guest, cancelReason: guest.cancelReason ?? reason });
      return guest.state;
    }
    if (guest.ended) return guest.state;
    this.guests.set(guestId, { ...guest, state: "cancelled", ended: true });
    this.events.push(`guest ${guestId} cancelled`);
    return "cancelled";
  }

  setQuarantine(device: string, reason: string | null, cause: string): void {
    const causes = this.quarantines.get(device) ?? new Map<string, string>();
    if (reason !== null) {
      if (causes.get(cause) === reason) return;
      this.quarantines.set(device, causes.set(cause, reason));
      this.events.push(`quarantine ${device} ${reason}`);
    } else if (causes.delete(cause) && causes.size === 0) {
      this.quarantines.delete(device);
      this.events.push(`quarantine ${device} null`);
    }
  }
}

/** As the model writes them. */
export function wordsOf(event: WrittenEvent): string {
  switch (event.type) {
    case "lent":
      return `lent ${event.leaseId}`;
    case "decision":
      return `decision ${event.device} ${event.leaseId}`;
    case "step":
      return `step ${event.leaseId} ${event.state}`;
    case "guest":
      return `guest ${event.guestId} ${event.state}`;
    case "quarantine":
      return `quarantine ${event.device} ${event.reason}`;
    default:
      return event.type;
  }
}

function sum<K extends "sharePermille" | "memoryMib">(
  parts: readonly Readonly<Record<K, number>>[],
  key: K,
): number {
  return parts.reduce((total, part) => total + part[key], 0);
}
