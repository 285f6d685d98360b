import { ReplyError, type Keyspace } from "./keyspace.ts";
import type { Reply, Script } from "./reply.ts";
import { applyStep } from "./scripts/apply-step.ts";
import * as bull from "./scripts/bull.ts";
import { holdLead, raiseGeneration, renew, takeLead } from "./scripts/lead.ts";
import { lend } from "./scripts/lend.ts";
import { noteBooks } from "./scripts/readers.ts";
import * as queue from "./scripts/queue.ts";
import { appendEvents, cancel, setMemoryBefore, setQuarantine } from "./scripts/wishes.ts";

interface Command {
  /** It may change something: it goes into the append-only file. */
  readonly writes: boolean;
  readonly run: (space: Keyspace, args: readonly string[]) => Reply;
}

type Run = (space: Keyspace, key: string, args: readonly string[]) => Reply;

const readsKey = (run: Run): Command => ({
  writes: false,
  run: (space, [key = "", ...rest]) => run(space, key, rest),
});
const writesKey = (run: Run): Command => ({ ...readsKey(run), writes: true });

const count = (items: readonly string[], act: (item: string) => boolean) => items.filter(act).length;

function pairs(args: readonly string[]): [string, string][] {
  return Array.from({ length: args.length / 2 }, (_, i) => [args[2 * i]!, args[2 * i + 1]!]);
}

/** `(5`: without 5 itself. Scores are whole numbers. */
function bound(text: string, exclusiveBy: 1 | -1): number {
  if (text === "-inf") return -Infinity;
  if (text === "+inf") return Infinity;
  return text.startsWith("(") ? Number(text.slice(1)) + exclusiveBy : Number(text);
}

function zrange(space: Keyspace, key: string, [first = "", last = "", ...options]: readonly string[]): Reply {
  const limitAt = options.indexOf("LIMIT");
  const found = options.includes("BYSCORE")
    ? space.zrangebyscore(key, {
        min: bound(first, 1),
        max: bound(last, -1),
        count: limitAt < 0 ? Infinity : Number(options[limitAt + 2]),
      })
    : space.zrange(key, Number(first), Number(last));
  const withScores = options.includes("WITHSCORES");
  return found.flatMap(({ member, score }) => (withScores ? [member, String(score)] : [member]));
}

/** NX, XX are given before PX, or alone. */
function set(space: Keyspace, key: string, [text = "", ...options]: readonly string[]): Reply {
  const isThere = space.exists(key);
  if ((options.includes("NX") && isThere) || (options.includes("XX") && !isThere)) return null;
  const px = options.indexOf("PX");
  space.set(key, text, px < 0 ? Infinity : Number(options[px + 1]));
  return "OK";
}

const commands: Readonly<Record<string, Command>> = {
  get: readsKey((space, key) => space.get(key)),
  set: writesKey(set),
  del: { writes: true, run: (space, keys) => count(keys, (key) => space.del(key)) },
  exists: { writes: false, run: (space, keys) => count(keys, (key) => space.exists(key)) },
  pttl: readsKey((space, key) => space.pttl(key)),
  incrby: writesKey((space, key, [by = ""]) => space.incrby(key, Number(by))),
  hget: readsKey((space, key, [field = ""]) => space.hget(key, field)),
  hmget: readsKey((space, key, fields) => fields.map((field) => space.hget(key, field))),
  hgetall: readsKey((space, key) => [...space.hentries(key)].flat()),
  // In one go, as Redis answers for a hash that is not large.
  hscan: readsKey((space, key) => ["0", [...space.hentries(key)].flat()]),
  hexists: readsKey((space, key, [field = ""]) => (space.hget(key, field) === null ? 0 : 1)),
  hlen: readsKey((space, key) => space.hlen(key)),
  hset: writesKey((space, key, args) =>
    pairs(args).reduce((fresh, [field, value]) => fresh + (space.hset(key, field, value) ? 1 : 0), 0),
  ),
  hsetnx: writesKey((space, key, [field = "", value = ""]) =>
    space.hget(key, field) === null && space.hset(key, field, value) ? 1 : 0,
  ),
  hincrby: writesKey((space, key, [field = "", by = ""]) => space.hincrby(key, field, Number(by))),
  hdel: writesKey((space, key, fields) => count(fields, (field) => space.hdel(key, field))),
  sadd: writesKey((space, key, members) => count(members, (member) => space.sadd(key, member))),
  srem: writesKey((space, key, members) => count(members, (member) => space.srem(key, member))),
  spop: writesKey((space, key, [most = "1"]) => space.spop(key, Number(most))),
  smembers: readsKey((space, key) => space.smembers(key)),
  zadd: writesKey((space, key, args) =>
    pairs(args).reduce(
      (fresh, [score, member]) => fresh + (space.zadd(key, Number(score), member) ? 1 : 0),
      0,
    ),
  ),
  zrem: writesKey((space, key, members) => count(members, (member) => space.zrem(key, member))),
  zscore: readsKey((space, key, [member = ""]) => {
    const score = space.zscore(key, member);
    return score === null ? null : String(score);
  }),
  zcard: readsKey((space, key) => space.zcard(key)),
  zrange: readsKey(zrange),
  lpush: writesKey((space, key, items) => {
    for (const item of items) space.lpush(key, item);
    return space.llen(key);
  }),
  rpush: writesKey((space, key, items) => {
    for (const item of items) space.rpush(key, item);
    return space.llen(key);
  }),
  rpoplpush: writesKey((space, from, [to = ""]) => space.rpoplpush(from, to)),
  lrem: writesKey((space, key, [, item = ""]) => (space.lrem(key, item) ? 1 : 0)),
  llen: readsKey((space, key) => space.llen(key)),
  lrange: readsKey((space, key) => space.lrange(key)),
  xadd: writesKey((space, key, [, ...fields]) => space.xadd(key, fields)),
  xlen: readsKey((space, key) => space.xlen(key)),
  xrange: readsKey((space, key, [after = "", , , most = ""]) =>
    space.xrange(key, after.slice(1), Number(most)),
  ),
  xtrim: writesKey((space, key, [, , id = ""]) => space.xtrim(key, id)),
  ...scripts({
    gleanerTakeLead: [2, takeLead],
    gleanerHoldLead: [2, holdLead],
    gleanerRaiseGeneration: [1, raiseGeneration],
    gleanerRenew: [2, renew],
    gleanerLend: [6, lend],
    gleanerApplyStep: [8, applyStep],
    gleanerCancel: [4, cancel],
    gleanerSetQuarantine: [3, setQuarantine],
    gleanerSetMemoryBefore: [2, setMemoryBefore],
    gleanerAppendEvents: [1, appendEvents],
    gleanerNoteBooks: [3, noteBooks],
    "gleaner-queue-admit": [3, queue.admit],
    "gleaner-queue-withdraw": [3, queue.withdraw],
    "gleaner-queue-end": [3, queue.end],
    "gleaner-queue-forgetEnded": [3, queue.forgetEnded],
    "gleaner-queue-lock": [3, queue.lock],
    "bull-add": [1, bull.add],
    "bull-claim": [1, bull.claim],
    "bull-putBack": [1, bull.putBack],
    "bull-putBackLater": [1, bull.putBackLater],
    "bull-setProgress": [1, bull.setProgress],
    "bull-remove": [1, bull.remove],
  }),
};

function scripts(all: Record<string, readonly [keys: number, script: Script]>): Record<string, Command> {
  const entries = Object.entries(all).map(([name, [keys, script]]): [string, Command] => [
    name,
    { writes: true, run: (space, args) => script(space, args.slice(0, keys), args.slice(keys)) },
  ]);
  return Object.fromEntries(entries);
}

export const commandNames: readonly string[] = Object.keys(commands);

export function commandOf(name: string): Command {
  const command = commands[name];
  if (command === undefined) throw new ReplyError(`ERR unknown command '${name}': the model has none`);
  return command;
}
