import type { Keyspace } from "../keyspace.ts";
import type { Script } from "../reply.ts";
import { addQuarantine, emit, leads, liftQuarantine, readGuest, restGuest, write } from "./books.ts";

export const cancel: Script = (space, [lead = "", guests = "", ended = "", ledger = ""], args) => {
  const [reign = "", id = "", tenant = "", reason = "", atMs = "", max = "", ms = ""] = args;
  if (!leads(space, lead, reign)) return null;
  const guest = readGuest(space, guests, id, tenant);
  if (guest.liveLease !== "") {
    guest.cancelReason ??= reason;
    write(space, guests, id, guest);
  } else if (guest.endedAtMs === null) {
    guest.state = "cancelled";
    guest.reason = reason;
    const kept = { max: Number(max), ms: Number(ms) };
    restGuest(space, { guests, ended, ledger }, id, guest, Number(atMs), kept);
  }
  return JSON.stringify(guest);
};

export const setQuarantine: Script = (
  space,
  [lead = "", quarantines = "", ledger = ""],
  [reign = "", device = "", cause = "", verb = "", reason = "", atMs = ""],
) => {
  if (!leads(space, lead, reign)) return null;
  const keys = { quarantines, ledger };
  if (verb === "add") addQuarantine(space, keys, device, cause, reason, Number(atMs));
  else liftQuarantine(space, keys, device, cause, Number(atMs));
  return 1;
};

export const setMemoryBefore: Script = (space, [lead = "", memory = ""], [reign = "", ...changes]) => {
  if (!leads(space, lead, reign)) return null;
  for (let at = 0; at + 1 < changes.length; at += 2) {
    const [device, mib] = [changes[at]!, changes[at + 1]!];
    if (mib === "") space.hdel(memory, device);
    else space.hset(memory, device, mib);
  }
  return 1;
};

export const appendEvents: Script = (space: Keyspace, [ledger = ""], [max = "", ...events]) => {
  const length = space.xlen(ledger);
  if (length >= Number(max)) return [0, length];
  for (const event of events) emit(space, ledger, event);
  return [1, length + events.length];
};
