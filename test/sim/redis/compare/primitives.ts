import fc from "fast-check";

const key = fc.constantFrom("1", "2");
const word = fc.constantFrom("a", "b", "c", "d");
const text = fc.constantFrom("", "x", "1", '{"a":1}');
const score = fc.integer({ min: -3, max: 3 });
const whole = fc.integer({ min: -5, max: 5 });
const bound = fc.oneof(
  score.map(String),
  score.map((at) => `(${at}`),
  fc.constantFrom("-inf", "+inf"),
);

/** A command and its arguments; the first, of RPOPLPUSH the first two, are keys. */
export const primitive = fc.oneof(
  fc.tuple(
    fc.constant("set"),
    key.map((k) => `text${k}`),
    text,
  ),
  fc.tuple(
    fc.constant("set"),
    key.map((k) => `text${k}`),
    text,
    fc.constant("NX"),
  ),
  fc.tuple(
    fc.constant("set"),
    key.map((k) => `text${k}`),
    text,
    fc.constant("XX"),
    fc.constant("PX"),
    fc.constant(90_000),
  ),
  fc.tuple(
    fc.constantFrom("get", "exists", "del"),
    key.map((k) => `text${k}`),
  ),
  fc.tuple(
    fc.constant("incrby"),
    key.map((k) => `count${k}`),
    whole,
  ),
  fc.tuple(
    fc.constantFrom("hset", "hsetnx"),
    key.map((k) => `hash${k}`),
    word,
    text,
  ),
  fc.tuple(
    fc.constant("hset"),
    key.map((k) => `hash${k}`),
    word,
    text,
    word,
    text,
  ),
  fc.tuple(
    fc.constant("hincrby"),
    key.map((k) => `counts${k}`),
    word,
    whole,
  ),
  fc.tuple(
    fc.constantFrom("hget", "hexists", "hdel"),
    key.map((k) => `hash${k}`),
    word,
  ),
  fc.tuple(
    fc.constantFrom("hmget", "hdel"),
    key.map((k) => `hash${k}`),
    word,
    word,
  ),
  fc.tuple(
    fc.constantFrom("hgetall", "hlen", "exists", "del"),
    key.map((k) => `hash${k}`),
  ),
  fc.tuple(
    fc.constant("hscan"),
    key.map((k) => `hash${k}`),
    fc.constant("0"),
    fc.constant("COUNT"),
    fc.constant(1_000),
  ),
  fc.tuple(
    fc.constantFrom("sadd", "srem"),
    key.map((k) => `set${k}`),
    word,
    word,
  ),
  fc.tuple(
    fc.constant("spop"),
    key.map((k) => `set${k}`),
    fc.constant(1_000),
  ),
  fc.tuple(
    fc.constant("smembers"),
    key.map((k) => `set${k}`),
  ),
  fc.tuple(
    fc.constant("zadd"),
    key.map((k) => `sorted${k}`),
    score,
    word,
  ),
  fc.tuple(
    fc.constant("zadd"),
    key.map((k) => `sorted${k}`),
    score,
    word,
    score,
    word,
  ),
  fc.tuple(
    fc.constantFrom("zrem", "zscore"),
    key.map((k) => `sorted${k}`),
    word,
  ),
  fc.tuple(
    fc.constantFrom("zcard", "exists", "del"),
    key.map((k) => `sorted${k}`),
  ),
  fc.tuple(
    fc.constant("zrange"),
    key.map((k) => `sorted${k}`),
    fc.constant("0"),
    fc.constantFrom("-1", "0", "1"),
    fc.constant("WITHSCORES"),
  ),
  fc.tuple(
    fc.constant("zrange"),
    key.map((k) => `sorted${k}`),
    bound,
    bound,
    fc.constant("BYSCORE"),
    fc.constant("LIMIT"),
    fc.constant(0),
    fc.constantFrom(1, 9),
  ),
  fc.tuple(
    fc.constantFrom("lpush", "rpush"),
    key.map((k) => `list${k}`),
    word,
    word,
  ),
  fc.tuple(
    fc.constant("rpoplpush"),
    key.map((k) => `list${k}`),
    key.map((k) => `list${k}`),
  ),
  fc.tuple(
    fc.constant("lrem"),
    key.map((k) => `list${k}`),
    fc.constant(1),
    word,
  ),
  fc.tuple(
    fc.constant("lrange"),
    key.map((k) => `list${k}`),
    fc.constant(0),
    fc.constant(-1),
  ),
  fc.tuple(
    fc.constantFrom("llen", "exists", "del"),
    key.map((k) => `list${k}`),
  ),
  fc.tuple(
    fc.constantFrom("xlen", "exists", "del"),
    key.map((k) => `stream${k}`),
  ),
);

/** Replies whose order Redis does not promise. */
export function inAnyOrder(name: string, reply: unknown): unknown {
  if (name === "hscan") {
    const [cursor, flat] = reply as [string, string[]];
    return [cursor, new Map(flat.flatMap((field, i) => (i % 2 === 0 ? [[field, flat[i + 1]]] : [])))];
  }
  return name === "smembers" || name === "spop" ? new Set(reply as string[]) : reply;
}
