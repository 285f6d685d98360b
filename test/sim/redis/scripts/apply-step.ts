import type { GuestState } from "../../../../src/core/guest.ts";
import type { LeaseStep } from "../../../../src/store/lease-records.ts";
import type { Keyspace } from "../keyspace.ts";
import type { Script } from "../reply.ts";
import {
  addQuarantine,
  digits,
  emit,
  leads,
  liftQuarantine,
  read,
  readGuest,
  restGuest,
  write,
  type Held,
  type StoredGuest,
  type StoredLease,
} from "./books.ts";

interface Change extends LeaseStep {
  readonly guestId: string;
  readonly attempt: number;
  readonly request: string;
  readonly after: Readonly<Record<string, true>>;
  readonly budget: "retries" | "evictions" | null;
  readonly liveGuestState: GuestState | null;
}

export const applyStep: Script = (space, allKeys, [reign = "", json = "", event = "", max = "", ms = ""]) => {
  const [lead = "", guests = "", ended = "", leases = "", unproven = "", devices = "", quarantines = ""] =
    allKeys;
  const ledger = allKeys[7]!;
  const keys = { guests, ended, quarantines, ledger };
  const step = JSON.parse(json) as Change;
  const isFinal = step.liveGuestState === null;
  const guest = readGuest(space, guests, step.guestId, "");
  const refused = (why: string) =>
    why === "repeated" && guest.stepRequest === step.request
      ? ["applied", JSON.stringify(guest)]
      : ["refused", why];

  if (!leads(space, lead, reign)) return refused("stale_epoch");
  const live = read(space, leases, step.leaseId) as StoredLease | null;
  const lease = live ?? (read(space, unproven, step.leaseId) as StoredLease | null);
  if (lease === null) return refused(step.attempt <= guest.attempts ? "repeated" : "unknown_lease");
  const { generation, number } = step.token;
  if (lease.token.generation !== generation || lease.token.number !== number) return refused("stale_token");
  if (step.step <= lease.step) return refused("repeated");
  const lacksSettlement = live !== null && isFinal && step.settlement === null;
  if (step.after[lease.state] === undefined || lacksSettlement) return refused("bad_transition");

  lease.state = step.state;
  lease.stateSinceMs = step.atMs;
  lease.step = step.step;
  guest.stepRequest = step.request;
  emit(space, ledger, event);

  if (step.liveGuestState !== null) {
    write(space, leases, lease.id, lease);
    guest.state = step.liveGuestState;
    guest.stateSinceMs = step.atMs;
    return ["applied", write(space, guests, step.guestId, guest)];
  }
  if (live !== null) {
    space.hdel(leases, lease.id);
    freeDevices(space, devices, lease);
    if (step.state === "quarantined") {
      write(space, unproven, lease.id, lease);
      for (const { device } of lease.grants)
        addQuarantine(space, keys, device, lease.id, step.detail, step.atMs);
    }
    settle(guest, step);
    const kept = { max: Number(max), ms: Number(ms) };
    return ["applied", restGuest(space, keys, step.guestId, guest, step.atMs, kept)];
  }
  space.hdel(unproven, lease.id);
  for (const { device } of lease.grants) liftQuarantine(space, keys, device, lease.id, step.atMs);
  return ["applied", JSON.stringify(guest)];
};

function freeDevices(space: Keyspace, devices: string, { id, grants }: StoredLease): void {
  for (const { device } of grants) {
    const { [id]: _, ...others } = (read(space, devices, device) as Record<string, Held> | null) ?? {};
    if (Object.keys(others).length > 0) write(space, devices, device, others);
    else space.hdel(devices, device);
  }
}

function settle(guest: StoredGuest, { settlement, detail, budget, retries, evictionsMax }: Change): void {
  if (settlement === null) return;
  guest.liveLease = "";
  guest.workedMs = digits(guest.workedMs + settlement.workedMs);
  guest.usefulMs = digits(guest.usefulMs + settlement.usefulMs);
  guest.lostMs = digits(guest.lostMs + settlement.lostMs);
  guest.exitCode = settlement.exitCode;
  guest.reason = detail;
  guest.state = "waiting";
  if (settlement.outcome === "done") guest.state = "succeeded";
  else if (settlement.outcome === "cancelled") guest.state = "cancelled";
  else if (budget === "retries") {
    guest.failures += 1;
    if (guest.failures > retries) guest.state = "failed";
  } else if (budget === "evictions") {
    guest.evictions += 1;
    if (guest.evictions > evictionsMax) {
      guest.state = "failed";
      guest.reason = `evicted or left ${guest.evictions} times; at most ${evictionsMax} are allowed`;
    }
  }
  const isToEnd = guest.state === "waiting" || guest.state === "cancelled";
  if (guest.cancelReason !== undefined && isToEnd) {
    guest.state = "cancelled";
    guest.reason = guest.cancelReason;
  }
}
