import { leasedCategory, unleasedCategory, type Category } from "./account-category.ts";
import type { DeviceUuid, OwnerState } from "./device.ts";
import { isLive, type LiveLeaseState } from "./lease.ts";
import type { LedgerEvent } from "./ledger-event.ts";
import { nextStay, type OwnerStay, type StayCount, type StaySignal } from "./owner-stay.ts";

/** A stretch of one part of a device, whose category is known. Units are device-µs: (toMs − fromMs) × permille. */
export interface Posting {
  readonly device: DeviceUuid;
  readonly fromMs: number;
  readonly toMs: number;
  readonly category: Category;
  /** Why, for idle_unlent, quarantined and unknown; else empty. */
  readonly reason: string;
  /** Of leased time; else empty. */
  readonly tenant: string;
  /** Of useful time, which may turn out to be lost when this lease ends; else empty. */
  readonly leaseId: string;
  readonly permille: number;
}

/** The last `lostMs` of what was posted as useful for the lease on the device are lost instead. Never more than was posted. */
export interface Loss {
  readonly device: DeviceUuid;
  readonly leaseId: string;
  readonly lostMs: number;
}

/** What one event adds to the books, and whose state it changed. */
export interface Entry {
  readonly postings: readonly Posting[];
  readonly losses: readonly Loss[];
  readonly devices: readonly DeviceUuid[];
  readonly leases: readonly string[];
  /** What is counted of owners' stays. */
  readonly returns: readonly { readonly device: DeviceUuid; readonly name: StayCount }[];
}

/** Plain, so that it can be saved as it is. Time up to `bookedMs` is posted, later time is open. */
export interface DeviceAccount {
  readonly uuid: DeviceUuid;
  readonly beganMs: number;
  bookedMs: number;
  owner: OwnerState;
  ownerReason: string;
  unlentReason: string;
  quarantine: string | null;
  /** Live leases, oldest first. */
  leases: string[];
  /** Absent in books of before it was counted. */
  stay?: OwnerStay;
}

export interface LeaseAccount {
  readonly id: string;
  readonly tenant: string;
  state: LiveLeaseState;
  readonly grants: { readonly device: DeviceUuid; readonly permille: number; usefulMs: number }[];
}

type Part = Pick<Posting, "category" | "reason" | "tenant" | "leaseId" | "permille">;
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] extends readonly (infer Item)[] ? Item[] : T[Key] };

const wholePermille = 1_000;

/**
 * The account of device time (I8): from the ledger's events to postings that, for each device, cover the time since it
 * came into the books exactly once. An event that is late for a device counts from where the device is booked already;
 * one that speaks of an unknown device or lease changes nothing.
 *
 * What counts at one instant, the first that holds:
 *
 * | the device | its category |
 * |---|---|
 * | is quarantined | quarantined, the whole device |
 * | has live leases | each share by `leasedCategory`; the rest like an unleased device, but idle time is a `fragment` |
 * | has none | by `unleasedCategory`; idle time with the reason why it was not lent |
 *
 * O(devices + live leases) memory: postings are handed out and not kept.
 */
export class Account {
  readonly #devices = new Map<DeviceUuid, DeviceAccount>();
  readonly #leases = new Map<string, LeaseAccount>();

  constructor(
    saved: { devices: Iterable<DeviceAccount>; leases: Iterable<LeaseAccount> } = { devices: [], leases: [] },
  ) {
    for (const device of saved.devices) this.#devices.set(device.uuid, device);
    for (const lease of saved.leases) this.#leases.set(lease.id, lease);
  }

  get devices(): ReadonlyMap<DeviceUuid, Readonly<DeviceAccount>> {
    return this.#devices;
  }

  get leases(): ReadonlyMap<string, Readonly<LeaseAccount>> {
    return this.#leases;
  }

  apply(event: LedgerEvent): Entry {
    const entry: Mutable<Entry> = { postings: [], losses: [], devices: [], leases: [], returns: [] };
    switch (event.type) {
      case "device":
        this.#begin(event.device.uuid, event.atMs, entry);
        break;
      case "owner":
        this.#ownerCameOrLeft(event, entry);
        this.#change(event.device, event.atMs, entry, {
          owner: event.state,
          ownerReason: event.state === "unknown" ? event.reason : "",
        });
        break;
      case "unlent":
        this.#change(event.device, event.atMs, entry, { unlentReason: event.reason });
        break;
      case "quarantine":
        this.#change(event.device, event.atMs, entry, { quarantine: event.reason });
        break;
      case "lent":
        this.#lend(event, entry);
        break;
      case "step":
        this.#step(event, entry);
        break;
      case "outage":
        this.#outage(event.sinceMs, event.atMs, entry);
        break;
      case "meeting":
        this.#stay(event.device, "met", entry);
        break;
      case "recalled":
      case "decision":
      case "guest":
      case "alive":
        break;
    }
    return entry;
  }

  /** What would be posted if everything open were booked up to `asOfMs`; changes nothing. */
  *open(asOfMs: number): Generator<Posting> {
    for (const device of this.#devices.values())
      if (device.bookedMs < asOfMs)
        for (const part of this.#parts(device))
          yield { device: device.uuid, fromMs: device.bookedMs, toMs: asOfMs, ...part };
  }

  #begin(uuid: DeviceUuid, atMs: number, entry: Mutable<Entry>): void {
    entry.devices.push(uuid);
    if (this.#devices.has(uuid)) return;
    this.#devices.set(uuid, {
      uuid,
      beganMs: atMs,
      bookedMs: atMs,
      owner: "unknown",
      ownerReason: "not_seen",
      unlentReason: "undecided",
      quarantine: null,
      leases: [],
    });
  }

  #change(uuid: DeviceUuid, atMs: number, entry: Mutable<Entry>, change: Partial<DeviceAccount>): void {
    const device = this.#devices.get(uuid);
    if (device === undefined || isAsIs(device, change)) return;
    this.#book(device, atMs, entry);
    Object.assign(device, change);
  }

  #ownerCameOrLeft({ device: uuid, state }: LedgerEvent & { type: "owner" }, entry: Mutable<Entry>): void {
    const device = this.#devices.get(uuid);
    if (device === undefined || device.owner === state) return;
    if (state === "idle") this.#stay(uuid, "left", entry);
    // With a guest at work there, it is told that it was met.
    const isGuestAtWork = device.leases.some((id) => isAtWork(this.#leases.get(id)!));
    if (state === "busy" && device.owner === "idle" && device.quarantine === null && !isGuestAtWork)
      this.#stay(uuid, "came", entry);
  }

  #stay(uuid: DeviceUuid, signal: StaySignal, entry: Mutable<Entry>): void {
    const device = this.#devices.get(uuid);
    if (device === undefined) return;
    const { stay, counts } = nextStay(device.stay ?? "none", signal);
    device.stay = stay;
    entry.devices.push(uuid);
    for (const name of counts) entry.returns.push({ device: uuid, name });
  }

  #lend(event: LedgerEvent & { type: "lent" }, entry: Mutable<Entry>): void {
    if (this.#leases.has(event.leaseId)) return;
    const grants: LeaseAccount["grants"] = [];
    for (const { device: uuid, sharePermille } of event.grants) {
      const device = this.#devices.get(uuid);
      if (device === undefined || device.leases.includes(event.leaseId)) continue;
      this.#book(device, event.atMs, entry);
      device.leases.push(event.leaseId);
      this.#stay(uuid, "left", entry);
      grants.push({ device: uuid, permille: sharePermille, usefulMs: 0 });
    }
    if (grants.length === 0) return;
    this.#leases.set(event.leaseId, { id: event.leaseId, tenant: event.tenant, state: "starting", grants });
    entry.leases.push(event.leaseId);
  }

  #step(event: LedgerEvent & { type: "step" }, entry: Mutable<Entry>): void {
    const lease = this.#leases.get(event.leaseId);
    if (lease === undefined) return;
    entry.leases.push(lease.id);
    const devices = lease.grants.map((grant) => this.#devices.get(grant.device)!);
    for (const device of devices) this.#book(device, event.atMs, entry);
    if (isLive(event.state)) {
      lease.state = event.state;
      if (event.state === "running") for (const { uuid } of devices) this.#stay(uuid, "left", entry);
      return;
    }
    for (const grant of lease.grants) {
      const lostMs = Math.min(event.settlement?.lostMs ?? 0, grant.usefulMs);
      if (lostMs > 0) entry.losses.push({ device: grant.device, leaseId: lease.id, lostMs });
    }
    this.#leases.delete(lease.id);
    for (const device of devices) device.leases = device.leases.filter((id) => id !== lease.id);
  }

  /** Leases had their agent to watch them; of the other devices nobody knows. */
  #outage(sinceMs: number, atMs: number, entry: Mutable<Entry>): void {
    for (const device of this.#devices.values()) {
      if (device.leases.length > 0 || device.quarantine !== null) continue;
      this.#book(device, Math.min(sinceMs, atMs), entry);
      const { owner, ownerReason } = device;
      Object.assign(device, { owner: "unknown", ownerReason: "outage" });
      this.#book(device, atMs, entry);
      Object.assign(device, { owner, ownerReason });
    }
  }

  #book(device: DeviceAccount, atMs: number, entry: Mutable<Entry>): void {
    entry.devices.push(device.uuid);
    if (atMs <= device.bookedMs) return;
    for (const part of this.#parts(device)) {
      entry.postings.push({ device: device.uuid, fromMs: device.bookedMs, toMs: atMs, ...part });
      if (part.leaseId !== "") this.#countUseful(part.leaseId, device, atMs, entry);
    }
    device.bookedMs = atMs;
  }

  #countUseful(leaseId: string, device: DeviceAccount, atMs: number, entry: Mutable<Entry>): void {
    const grant = this.#leases.get(leaseId)?.grants.find(({ device: uuid }) => uuid === device.uuid);
    if (grant === undefined) return;
    grant.usefulMs += atMs - device.bookedMs;
    entry.leases.push(leaseId);
  }

  /** The parts of the device as it is now; their permille sum to a whole device. */
  #parts(device: DeviceAccount): Part[] {
    const { owner } = device;
    if (device.quarantine !== null)
      return [part("quarantined", wholePermille, { reason: device.quarantine })];
    const parts: Part[] = [];
    let leftPermille = wholePermille;
    for (const id of device.leases) {
      const lease = this.#leases.get(id)!;
      const grant = lease.grants.find(({ device: uuid }) => uuid === device.uuid)!;
      // Shares never exceed the device (I1); were they to, the books would still balance.
      const permille = Math.min(grant.permille, leftPermille);
      const category = leasedCategory[lease.state][owner];
      const tenant = category === "owner_busy" ? "" : lease.tenant;
      if (permille > 0)
        parts.push(part(category, permille, { tenant, leaseId: category === "useful" ? id : "" }));
      leftPermille -= permille;
    }
    if (leftPermille > 0) {
      const idleReason = parts.length > 0 ? "fragment" : device.unlentReason;
      const reason = { busy: "", idle: idleReason, unknown: device.ownerReason }[owner];
      parts.push(part(unleasedCategory[owner], leftPermille, { reason }));
    }
    return parts;
  }
}

function isAtWork({ state }: LeaseAccount): boolean {
  return state === "starting" || state === "running";
}

function isAsIs<T extends object>(value: T, change: Partial<T>): boolean {
  return Object.entries(change).every(([key, to]) => value[key as keyof T] === to);
}

function part(category: Category, permille: number, more: Partial<Part>): Part {
  return { category, reason: "", tenant: "", leaseId: "", permille, ...more };
}
