import type { Keyspace } from "../keyspace.ts";
import { ReplyError } from "../keyspace.ts";
import type { Reply, Script } from "../reply.ts";

/** src/queue/scripts.ts: the index of the queue. */

const laneOf = (id: string) => id.slice(0, 10);

interface Prefixes {
  readonly index: string;
  readonly jobs: string;
}

const prefixesOf = ([index, jobs]: readonly string[]): Prefixes => ({ index: `${index}:`, jobs: `${jobs}:` });
const laneKey = ({ jobs }: Prefixes, id: string, name: string) => `${jobs}${laneOf(id)}:${name}`;
const jobKey = (prefixes: Prefixes, id: string) => laneKey(prefixes, id, id);

/** The tenant; null: it was not there. */
function forget(space: Keyspace, prefixes: Prefixes, id: string, key: string): string | null {
  const { index } = prefixes;
  space.zrem(`${index}ended`, id);
  if (!space.zrem(`${index}guests`, id)) return null;
  const lane = laneOf(id);
  const descriptor = space.hget(`${index}lanes`, lane);
  if (descriptor === null) throw new ReplyError("ERR user_script: the lane has no descriptor");
  const [tenant] = JSON.parse(descriptor) as [string];
  space.zrem(`${index}guests:${tenant}`, id);
  if (key !== "") {
    const keys = `${index}keys:${tenant}`;
    const held = space.hget(keys, key);
    if (held !== null && held.split(" ")[0] === id) space.hdel(keys, key);
  }
  if (space.hincrby(`${index}lane-guests`, lane, -1) <= 0) {
    space.hdel(`${index}lane-guests`, lane);
    space.hdel(`${index}lanes`, lane);
    space.srem(`${index}lanes-to-ask`, lane);
  }
  return tenant;
}

function countClosed(space: Keyspace, { index }: Prefixes, tenant: string): void {
  if (space.hincrby(`${index}open`, tenant, -1) <= 0) space.hdel(`${index}open`, tenant);
}

function markEnded(space: Keyspace, prefixes: Prefixes, id: string, tenant: string, now: string): void {
  const { index } = prefixes;
  if (space.zscore(`${index}guests`, id) === null || space.zscore(`${index}ended`, id) !== null) return;
  space.zadd(`${index}ended`, Number(now), id);
  countClosed(space, prefixes, tenant);
}

export const admit: Script = (space, keys, args) => {
  const prefixes = prefixesOf(keys);
  const { index } = prefixes;
  const [now = "", limit = "", zoneLimit = "", flush = "", pending = "", count = "", laneCount = ""] = args;
  let at = 7;
  const lanes = new Map<string, { readonly descriptor: string; readonly tenant: string }>();
  for (let i = 0; i < Number(laneCount); i += 1) {
    const [lane, descriptor, tenant] = args.slice(at, at + 3) as [string, string, string];
    lanes.set(lane, { descriptor, tenant });
    const known = space.hget(`${index}lanes`, lane);
    if (known !== null && known !== descriptor) throw new ReplyError(`LANES two lanes share the id ${lane}`);
    at += 3;
  }
  let sequence = space.incrby(`${index}sequence`, Number(count)) - Number(count);

  const answers: Reply[] = [];
  const fresh = new Map<string, { readonly sequence: number; readonly tenant: string }>();
  const open = new Map<string, number>();
  const zoneOpen = space.zcard(`${index}guests`) - space.zcard(`${index}ended`);
  for (let i = 0; i < Number(count); i += 1) {
    const [id, key] = args.slice(at, at + 2) as [string, string];
    const print = key === "" ? "" : args[at + 2]!;
    at += key === "" ? 2 : 3;
    const { tenant } = lanes.get(laneOf(id))!;
    const known = key === "" ? null : knownGuest(space, prefixes, tenant, key, print, fresh);
    if (known !== null) {
      answers.push(known);
      continue;
    }
    const opened = open.get(tenant) ?? Number(space.hget(`${index}open`, tenant) ?? 0);
    if (opened >= Number(limit)) {
      answers.push(["full", opened]);
      continue;
    }
    if (zoneOpen + fresh.size >= Number(zoneLimit)) {
      answers.push(["zone full", zoneOpen + fresh.size]);
      continue;
    }
    open.set(tenant, opened + 1);
    sequence += 1;
    answers.push(sequence);
    fresh.set(id, { sequence, tenant });
    if (key !== "") space.hset(`${index}keys:${tenant}`, key, `${id} ${sequence} ${now} ${print}`);
  }

  if (fresh.size > 0) space.hset(`${index}pending`, flush, pending);
  for (const [id, { sequence: place, tenant }] of fresh) {
    space.zadd(`${index}guests`, place, id);
    space.zadd(`${index}guests:${tenant}`, place, id);
    space.hincrby(`${index}open`, tenant, 1);
    const lane = laneOf(id);
    if (space.hincrby(`${index}lane-guests`, lane, 1) === 1)
      space.hset(`${index}lanes`, lane, lanes.get(lane)!.descriptor);
  }
  return answers;
};

/** The answer to a key that was seen before; null: it was not, or its guest is forgotten. */
function knownGuest(
  space: Keyspace,
  prefixes: Prefixes,
  tenant: string,
  key: string,
  print: string,
  fresh: ReadonlyMap<string, unknown>,
): Reply {
  const { index } = prefixes;
  const held = space.hget(`${index}keys:${tenant}`, key);
  if (held === null) return null;
  const [first = "", itsSequence = "", itsTime = "", itsPrint = ""] = held.split(" ");
  if (space.zscore(`${index}guests`, first) === null && !fresh.has(first)) return null;
  if (itsPrint !== print) return ["reused", first];
  const isThere =
    fresh.has(first) ||
    space.exists(jobKey(prefixes, first)) ||
    space.zscore(`${index}ended`, first) !== null;
  return [isThere ? "known" : "unfinished", first, itsSequence, itsTime];
}

export const withdraw: Script = (space, keys, args) => {
  const prefixes = prefixesOf(keys);
  const lanes: string[] = [];
  for (let i = 0; i + 1 < args.length; i += 2) {
    const [id, key] = [args[i]!, args[i + 1]!];
    if (space.exists(jobKey(prefixes, id))) lanes.push(laneOf(id));
    else if (space.zscore(`${prefixes.index}ended`, id) === null) {
      const tenant = forget(space, prefixes, id, key);
      if (tenant !== null) countClosed(space, prefixes, tenant);
    }
  }
  return lanes;
};

export const end: Script = (space, keys, args) => {
  const prefixes = prefixesOf(keys);
  const [token = "", where = "", now = "", id = "", tenant = "", set = "", field = "", value = ""] = args;
  const job = jobKey(prefixes, id);
  const holder = space.get(`${job}:lock`);
  const isClaimed = where === "claimed";
  if (isClaimed && holder !== null && holder !== token) return "locked";
  const record = space.hget(keys[2] ?? "", id);
  if (record === null || (JSON.parse(record) as { endedAtMs: unknown }).endedAtMs === null) return "open";
  const waited = space.lrem(laneKey(prefixes, id, "wait"), id);
  const wasDelayed = space.zrem(laneKey(prefixes, id, "delayed"), id);
  const wasActive = isClaimed && space.lrem(laneKey(prefixes, id, "active"), id);
  if (!waited && !wasDelayed && !wasActive) return "gone";
  space.del(`${job}:lock`);
  space.zadd(laneKey(prefixes, id, set), Number(now), id);
  space.hset(job, field, value);
  space.hset(job, "finishedOn", now);
  markEnded(space, prefixes, id, tenant, now);
  return "ended";
};

export const forgetEnded: Script = (space, keys, args) => {
  for (let i = 0; i + 1 < args.length; i += 2) forget(space, prefixesOf(keys), args[i]!, args[i + 1]!);
  return null;
};

export const lock: Script = (space, keys, [token = "", ms = "", verb = "", ...ids]) => {
  const prefixes = prefixesOf(keys);
  const lost: string[] = [];
  for (const id of ids) {
    const name = `${jobKey(prefixes, id)}:lock`;
    const holder = space.get(name);
    if (verb === "take" || holder === null || holder === token) space.set(name, token, Number(ms));
    else lost.push(id);
  }
  return lost;
};
