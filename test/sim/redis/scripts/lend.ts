import type { LendRequest } from "../../../../src/store/lease-records.ts";
import type { Script } from "../reply.ts";
import { emit, leads, read, readGuest, withDigits, write, type Held, type StoredLease } from "./books.ts";

export const lend: Script = (space, keys, args) => {
  const [lead = "", guests = "", leases = "", devices = "", quarantines = "", ledger = ""] = keys;
  const request = JSON.parse(args[0]!) as LendRequest & { readonly request: string; readonly reign: string };
  const atMs = Number(args[1]);
  const refused = (why: string) => ["refused", why];
  if (!leads(space, lead, request.reign)) return refused("stale_epoch");

  const guest = readGuest(space, guests, request.guestId, request.tenant);
  if (guest.liveLease !== "") {
    const live = space.hget(leases, guest.liveLease);
    if (live !== null && (JSON.parse(live) as StoredLease).request === request.request) return ["lent", live];
    return refused("guest_has_lease");
  }
  if (guest.endedAtMs !== null) return refused("guest_ended");
  if (space.xlen(ledger) >= Number(args[2])) return refused("ledger_full");

  const grants = withDigits(request.grants);
  const books = new Map<string, Record<string, Held>>();
  for (const [index, grant] of request.grants.entries()) {
    if (space.hget(quarantines, grant.device) !== null) return refused("quarantined");
    const held = (read(space, devices, grant.device) as Record<string, Held> | null) ?? {};
    let { sharePermille, memoryMib } = grant;
    for (const part of Object.values(held)) {
      sharePermille += part.sharePermille;
      memoryMib += part.memoryMib;
      if (part.trustGroup !== request.trustGroup) return refused("trust_mismatch");
    }
    if (sharePermille > 1_000) return refused("share_taken");
    const lendable = request.memoryLendableMib[index] ?? null;
    if (lendable !== null && memoryMib > lendable) return refused("memory_taken");
    books.set(grant.device, held);
  }

  guest.attempts += 1;
  const id = `${request.guestId}:${guest.attempts}`;
  const { guestId, tenant, host, epoch, trustGroup, reason, reasonCode, forecastHash } = request;
  const number = space.hincrby(lead, "number", 1);
  const token = { generation: Number(space.hget(lead, "generation")), number };
  const lease: StoredLease = {
    id,
    guestId,
    tenant,
    attempt: guest.attempts,
    host,
    token,
    epoch,
    grants,
    trustGroup,
    state: "starting",
    lentAtMs: atMs,
    stateSinceMs: atMs,
    step: 0,
    request: request.request,
  };
  const json = JSON.stringify(lease);
  space.hset(leases, id, json);

  Object.assign(guest, { state: "starting", stateSinceMs: atMs, liveLease: id, host, reason });
  write(space, guests, guestId, guest);

  const what = { leaseId: id, guestId, reason, forecastHash };
  emit(space, ledger, { type: "lent", atMs, ...what, tenant, attempt: guest.attempts, grants });
  for (const { device, sharePermille, memoryMib } of grants) {
    write(space, devices, device, { ...books.get(device), [id]: { sharePermille, memoryMib, trustGroup } });
    emit(space, ledger, { type: "decision", atMs, kind: "lend", device, ...what, reasonCode });
  }
  return ["lent", json];
};
