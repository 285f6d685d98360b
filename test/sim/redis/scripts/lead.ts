import type { Script } from "../reply.ts";
import { leads } from "./books.ts";

export const takeLead: Script = (space, [lead = ""], [atMs = "", known = ""]) => {
  const epoch = Math.max(Number(space.hget(lead, "epoch") ?? 0), Number(known)) + 1;
  space.hset(lead, "epoch", epoch);
  space.hset(lead, "atMs", atMs);
  if (space.hget(lead, "generation") === null) space.hset(lead, "generation", 1);
  return [epoch, Number(space.hget(lead, "generation")), Number(space.hget(lead, "number") ?? 0)];
};

export const raiseGeneration: Script = (space, [lead = ""], [epoch = "", above = "", next = ""]) => {
  if (!leads(space, lead, epoch)) return null;
  const generation = Math.max(Number(space.hget(lead, "generation")), Number(above) + 1);
  space.hset(lead, "generation", generation);
  space.hset(lead, "epoch", next);
  return generation;
};

export const renew: Script = (space, [lead = "", leases = ""], [epoch = "", ...ids]) => {
  if (!leads(space, lead, epoch)) return null;
  return ids.filter((id) => space.hget(leases, id) !== null);
};
