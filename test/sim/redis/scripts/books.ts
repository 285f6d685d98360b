import type { Grant } from "../../../../src/core/guest.ts";
import type { Lease } from "../../../../src/core/lease.ts";
import type { GuestRecord } from "../../../../src/store/lease-records.ts";
import type { Keyspace } from "../keyspace.ts";

/** common.lua: what stands in front of every script of the books. */

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

export interface StoredGuest extends Omit<Mutable<GuestRecord>, "cancelReason"> {
  cancelReason?: string;
  stepRequest?: string;
}

export interface StoredLease extends Mutable<Lease> {
  request: string;
}

/** What a live lease holds of a device. */
export interface Held {
  readonly sharePermille: number;
  readonly memoryMib: number;
  readonly trustGroup: string;
}

type Causes = Record<string, { readonly reason: string; readonly sinceMs: number }>;

/** What the devices of a change concern. */
export interface QuarantineKeys {
  readonly quarantines: string;
  readonly ledger: string;
}

export interface GuestKeys {
  readonly guests: string;
  readonly ended: string;
  readonly ledger: string;
}

export interface Kept {
  readonly max: number;
  readonly ms: number;
}

/** null: there is none. */
export function read(space: Keyspace, key: string, field: string): unknown {
  const json = space.hget(key, field);
  return json === null ? null : JSON.parse(json);
}

/** Answers what it wrote. */
export function write(space: Keyspace, key: string, field: string, value: object): string {
  const json = JSON.stringify(value);
  space.hset(key, field, json);
  return json;
}

/** Lua's cjson keeps 14 digits of a number. */
export function digits(value: number): number {
  return Number.isInteger(value) && Math.abs(value) < 1e14 ? value : Number(value.toPrecision(14));
}

export function withDigits(grants: readonly Grant[]): Grant[] {
  return grants.map((grant) => ({ ...grant, memoryMib: digits(grant.memoryMib) }));
}

export function leads(space: Keyspace, lead: string, reign: string): boolean {
  const epoch = space.hget(lead, "epoch");
  return epoch !== null && `${epoch}:${space.hget(lead, "nonce") ?? ""}` === reign;
}

export function emit(space: Keyspace, ledger: string, event: string | object): void {
  space.xadd(ledger, ["e", typeof event === "string" ? event : JSON.stringify(event)]);
}

export function readGuest(space: Keyspace, guests: string, id: string, tenant: string): StoredGuest {
  const fresh: StoredGuest = {
    tenant,
    state: "waiting",
    stateSinceMs: 0,
    attempts: 0,
    failures: 0,
    evictions: 0,
    workedMs: 0,
    usefulMs: 0,
    lostMs: 0,
    liveLease: "",
    host: "",
    endedAtMs: null,
    exitCode: null,
    reason: "",
  };
  return (read(space, guests, id) as StoredGuest | null) ?? fresh;
}

/** Answers the record. */
export function restGuest(
  space: Keyspace,
  keys: GuestKeys,
  id: string,
  guest: StoredGuest,
  atMs: number,
  kept: Kept,
): string {
  guest.stateSinceMs = atMs;
  if (guest.state !== "waiting") {
    guest.endedAtMs = atMs;
    space.zadd(keys.ended, atMs, id);
  }
  const json = write(space, keys.guests, id, guest);
  const { tenant, state, reason } = guest;
  emit(space, keys.ledger, { type: "guest", atMs, guestId: id, tenant, state, reason });
  for (let gone = 0; gone < 2; gone += 1) {
    const [oldest] = space.zrange(keys.ended, 0, 0);
    const isTooMany = space.zcard(keys.ended) > kept.max;
    if (oldest === undefined || !(isTooMany || oldest.score < atMs - kept.ms)) break;
    space.zrem(keys.ended, oldest.member);
    space.hdel(keys.guests, oldest.member);
  }
  return json;
}

export function causesOf(space: Keyspace, keys: QuarantineKeys, device: string): Causes {
  return (read(space, keys.quarantines, device) as Causes | null) ?? {};
}

export function addQuarantine(
  space: Keyspace,
  keys: QuarantineKeys,
  device: string,
  cause: string,
  reason: string,
  atMs: number,
): void {
  const causes = causesOf(space, keys, device);
  if (causes[cause]?.reason === reason) return;
  causes[cause] = { reason, sinceMs: atMs };
  write(space, keys.quarantines, device, causes);
  emit(space, keys.ledger, { type: "quarantine", atMs, device, reason });
}

export function liftQuarantine(
  space: Keyspace,
  keys: QuarantineKeys,
  device: string,
  cause: string,
  atMs: number,
): void {
  const { [cause]: lifted, ...others } = causesOf(space, keys, device);
  if (lifted === undefined) return;
  if (Object.keys(others).length > 0) {
    write(space, keys.quarantines, device, others);
    return;
  }
  space.hdel(keys.quarantines, device);
  emit(space, keys.ledger, { type: "quarantine", atMs, device, reason: null });
}
