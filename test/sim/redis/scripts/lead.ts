import type { Script } from "../reply.ts";
import { leads } from "./books.ts";

export const takeLead: Script = (space, [lead = "", lock = ""], args) => {
  const [atMs = "", known = "", nonce = "", holder = "", address = "", lockMs = ""] = args;
  const held = space.get(lock);
  if (held !== null && !isOf(held, holder)) return ["held", addressOf(held), space.pttl(lock)];
  space.set(lock, `${holder} ${address}`, Number(lockMs));
  const epoch = Math.max(Number(space.hget(lead, "epoch") ?? 0), Number(known)) + 1;
  space.hset(lead, "epoch", epoch);
  space.hset(lead, "nonce", nonce);
  space.hset(lead, "holder", holder);
  space.hset(lead, "atMs", atMs);
  if (space.hget(lead, "generation") === null) space.hset(lead, "generation", 1);
  const [generation, number] = [space.hget(lead, "generation"), space.hget(lead, "number")];
  return ["won", epoch, Number(generation), Number(number ?? 0)];
};

export const holdLead: Script = (space, [lead = "", lock = ""], args) => {
  const [reign = "", holder = "", address = "", lockMs = ""] = args;
  const held = space.get(lock);
  if (lockMs === "0") {
    if (held !== null && isOf(held, holder)) space.del(lock);
    return 1;
  }
  if (!leads(space, lead, reign) || (held !== null && !isOf(held, holder))) return null;
  space.set(lock, `${holder} ${address}`, Number(lockMs));
  return 1;
};

function isOf(lock: string, holder: string): boolean {
  return lock.split(" ")[0] === holder;
}

function addressOf(lock: string): string {
  return lock.slice(lock.indexOf(" ") + 1);
}

export const raiseGeneration: Script = (space, [lead = ""], [reign = "", above = "", next = ""]) => {
  if (!leads(space, lead, reign)) return null;
  const generation = Math.max(Number(space.hget(lead, "generation")), Number(above) + 1);
  space.hset(lead, "generation", generation);
  space.hset(lead, "epoch", next);
  return generation;
};

export const renew: Script = (space, [lead = "", leases = ""], [reign = "", ...ids]) => {
  if (!leads(space, lead, reign)) return null;
  return ids.filter((id) => space.hget(leases, id) !== null);
};
