import type { Keyspace } from "../keyspace.ts";
import type { Reply, Script } from "../reply.ts";

/**
 * What BullMQ's scripts do for src/queue/bull-lane-queues.ts, without what nobody reads: events, markers, counters.
 * KEYS: the prefix of a lane's keys.
 */

const scorePerMs = 0x1000;
/** BullMQ's codes of refusals. */
const [missing, lockMissing, notActive, lockOther] = [-1, -2, -3, -6];

/** Jobs due at the same ms keep their order. */
function delayedScore(space: Keyspace, delayed: string, dueMs: number): number {
  const [min, max] = [dueMs * scorePerMs, (dueMs + 1) * scorePerMs - 1];
  const last = space.zrangebyscore(delayed, { min, max, count: scorePerMs }).at(-1);
  return last === undefined ? min : Math.min(last.score + 1, max);
}

/** Answers the refusal; 0: none. */
function removeLock(space: Keyspace, job: string, token: string): number {
  const holder = space.get(`${job}:lock`);
  if (holder === null) return lockMissing;
  if (holder !== token) return lockOther;
  space.del(`${job}:lock`);
  return 0;
}

export const add: Script = (space, [lane = ""], [id = "", data = "", timestamp = "", delay = "0"]) => {
  const job = `${lane}:${id}`;
  if (space.exists(job)) return id;
  const isDelayed = Number(delay) > 0;
  const opts = isDelayed ? `{"delay":${delay}}` : "{}";
  const fields = { name: "guest", data, opts, timestamp, delay: isDelayed ? delay : "0", priority: "0" };
  for (const [field, value] of Object.entries(fields)) space.hset(job, field, value);
  const dueMs = Number(timestamp) + Number(delay);
  if (isDelayed) space.zadd(`${lane}:delayed`, delayedScore(space, `${lane}:delayed`, dueMs), id);
  else space.lpush(`${lane}:wait`, id);
  return id;
};

/** Answers [id, data, progress]; null: no job whose time has come. */
export const claim: Script = (space, [lane = ""], [token = "", nowMs = "", lockMs = ""]): Reply => {
  const max = (Number(nowMs) + 1) * scorePerMs - 1;
  for (const { member } of space.zrangebyscore(`${lane}:delayed`, { min: 0, max, count: 1_000 })) {
    space.zrem(`${lane}:delayed`, member);
    space.lpush(`${lane}:wait`, member);
    space.hset(`${lane}:${member}`, "delay", 0);
  }
  const id = space.rpoplpush(`${lane}:wait`, `${lane}:active`);
  if (id === null) return null;
  const job = `${lane}:${id}`;
  space.set(`${job}:lock`, token, Number(lockMs));
  space.hset(job, "processedOn", nowMs);
  space.hincrby(job, "ats", 1);
  return [id, space.hget(job, "data") ?? "{}", space.hget(job, "progress") ?? "0"];
};

export const putBack: Script = (space, [lane = ""], [id = "", token = ""]) => {
  const job = `${lane}:${id}`;
  if (!space.exists(job)) return missing;
  const refusal = removeLock(space, job, token);
  if (refusal < 0) return refusal;
  if (space.lrem(`${lane}:active`, id)) space.rpush(`${lane}:wait`, id);
  return 0;
};

export const putBackLater: Script = (space, [lane = ""], [id = "", token = "", nowMs = "", delay = ""]) => {
  const job = `${lane}:${id}`;
  if (!space.exists(job)) return missing;
  const refusal = removeLock(space, job, token);
  if (refusal < 0) return refusal;
  if (!space.lrem(`${lane}:active`, id)) return notActive;
  const score = delayedScore(space, `${lane}:delayed`, Number(nowMs) + Number(delay));
  space.hset(job, "delay", delay);
  space.zadd(`${lane}:delayed`, score, id);
  return 0;
};

export const setProgress: Script = (space, [lane = ""], [id = "", progress = ""]) => {
  if (!space.exists(`${lane}:${id}`)) return missing;
  space.hset(`${lane}:${id}`, "progress", progress);
  return 0;
};

/** Answers 0 where it is locked. */
export const remove: Script = (space, [lane = ""], [id = ""]) => {
  const job = `${lane}:${id}`;
  if (space.get(`${job}:lock`) !== null) return 0;
  for (const set of ["completed", "delayed", "failed"])
    if (space.zrem(`${lane}:${set}`, id)) return gone(space, job);
  for (const list of ["wait", "active"]) if (space.lrem(`${lane}:${list}`, id)) break;
  return gone(space, job);
};

function gone(space: Keyspace, job: string): number {
  space.del(job);
  return 1;
}
