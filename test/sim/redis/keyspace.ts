import { SortedSet } from "./sorted-set.ts";
import { nameOf, Stream, streamIdOf } from "./stream.ts";

/** What Redis says to a command that it does not carry out. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

interface Text {
  readonly text: string;
  /** Wall clock of the server. */
  readonly expiresAtMs: number;
}

export interface Scores {
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/**
 * The data of a Redis, as far as Gleaner and BullMQ use it. Each method is the command of its name; a key holds one kind
 * of value, and goes with its last member. A key of the wrong kind counts as none: nobody mixes them.
 */
export class Keyspace {
  /** Wall clock of the server at this command. */
  nowMs = 0;
  /** What commands that write are answered instead; null: they are carried out. */
  writesRefusal: string | null = null;
  readonly #texts: Map<string, Text>;
  readonly #hashes: Map<string, Map<string, string>>;
  readonly #sets: Map<string, Set<string>>;
  readonly #sorted: Map<string, SortedSet>;
  readonly #lists: Map<string, string[]>;
  readonly #streams: Map<string, Stream>;

  constructor(from?: Keyspace) {
    this.#texts = new Map(from === undefined ? [] : from.#texts);
    this.#hashes = new Map();
    this.#sets = new Map();
    this.#sorted = new Map();
    this.#lists = new Map();
    this.#streams = new Map();
    if (from === undefined) return;
    for (const [key, hash] of from.#hashes) this.#hashes.set(key, new Map(hash));
    for (const [key, set] of from.#sets) this.#sets.set(key, new Set(set));
    for (const [key, sorted] of from.#sorted) this.#sorted.set(key, new SortedSet(sorted));
    for (const [key, list] of from.#lists) this.#lists.set(key, [...list]);
    for (const [key, stream] of from.#streams) this.#streams.set(key, new Stream(stream));
  }

  get(key: string): string | null {
    const entry = this.#texts.get(key);
    if (entry === undefined) return null;
    if (entry.expiresAtMs > this.nowMs) return entry.text;
    this.#texts.delete(key);
    return null;
  }

  /** `ttlMs` Infinity: until it is deleted. */
  set(key: string, text: string, ttlMs = Infinity): void {
    this.#write();
    this.#texts.set(key, { text, expiresAtMs: this.nowMs + ttlMs });
  }

  incrby(key: string, by: number): number {
    this.#write();
    const value = Number(this.get(key) ?? 0) + by;
    this.#texts.set(key, { text: String(value), expiresAtMs: this.#texts.get(key)?.expiresAtMs ?? Infinity });
    return value;
  }

  pttl(key: string): number {
    if (this.get(key) === null) return this.exists(key) ? -1 : -2;
    const { expiresAtMs } = this.#texts.get(key)!;
    return expiresAtMs === Infinity ? -1 : expiresAtMs - this.nowMs;
  }

  exists(key: string): boolean {
    return this.get(key) !== null || this.#kinds().some((kind) => kind.has(key));
  }

  del(key: string): boolean {
    this.#write();
    const isThere = this.get(key) !== null;
    this.#texts.delete(key);
    return this.#kinds().reduce((is, kind) => kind.delete(key) || is, isThere);
  }

  hget(key: string, field: string): string | null {
    return this.#hashes.get(key)?.get(field) ?? null;
  }

  /** True: the field is new. */
  hset(key: string, field: string, value: string | number): boolean {
    this.#write();
    const hash = made(this.#hashes, key, () => new Map<string, string>());
    const isNew = !hash.has(field);
    hash.set(field, typeof value === "string" ? value : String(value));
    return isNew;
  }

  hincrby(key: string, field: string, by: number): number {
    const value = Number(this.hget(key, field) ?? 0) + by;
    this.hset(key, field, value);
    return value;
  }

  hdel(key: string, field: string): boolean {
    this.#write();
    return removed(this.#hashes, key, (hash) => hash.delete(field));
  }

  hlen(key: string): number {
    return this.#hashes.get(key)?.size ?? 0;
  }

  hentries(key: string): IterableIterator<[string, string]> {
    return (this.#hashes.get(key) ?? new Map<string, string>()).entries();
  }

  sadd(key: string, member: string): boolean {
    this.#write();
    const set = made(this.#sets, key, () => new Set<string>());
    const isNew = !set.has(member);
    set.add(member);
    return isNew;
  }

  srem(key: string, member: string): boolean {
    this.#write();
    return removed(this.#sets, key, (set) => set.delete(member));
  }

  /** Redis takes any, this one the oldest. */
  spop(key: string, count: number): string[] {
    this.#write();
    const members = [...(this.#sets.get(key) ?? [])].slice(0, count);
    for (const member of members) this.srem(key, member);
    return members;
  }

  smembers(key: string): string[] {
    return [...(this.#sets.get(key) ?? [])];
  }

  /** True: the member is new. */
  zadd(key: string, score: number, member: string): boolean {
    this.#write();
    return made(this.#sorted, key, () => new SortedSet()).add(member, score);
  }

  zrem(key: string, member: string): boolean {
    this.#write();
    return removed(this.#sorted, key, (sorted) => sorted.delete(member));
  }

  zscore(key: string, member: string): number | null {
    return this.#sorted.get(key)?.score(member) ?? null;
  }

  zcard(key: string): number {
    return this.#sorted.get(key)?.size ?? 0;
  }

  /** Places from 0, both included. */
  zrange(key: string, first: number, last: number): readonly { member: string; score: number }[] {
    return (this.#sorted.get(key)?.order ?? []).slice(first, last < 0 ? undefined : last + 1);
  }

  /** Both ends included. */
  zrangebyscore(key: string, { min, max, count }: Scores): { member: string; score: number }[] {
    const found: { member: string; score: number }[] = [];
    for (const entry of this.#sorted.get(key)?.order ?? []) {
      if (entry.score > max || found.length === count) break;
      if (entry.score >= min) found.push(entry);
    }
    return found;
  }

  lpush(key: string, item: string): void {
    this.#write();
    made(this.#lists, key, (): string[] => []).unshift(item);
  }

  rpush(key: string, item: string): void {
    this.#write();
    made(this.#lists, key, (): string[] => []).push(item);
  }

  rpoplpush(from: string, to: string): string | null {
    this.#write();
    const item = this.#lists.get(from)?.at(-1);
    if (item === undefined) return null;
    this.#lists.get(from)!.pop();
    if (this.#lists.get(from)!.length === 0) this.#lists.delete(from);
    this.lpush(to, item);
    return item;
  }

  /** The first that is equal goes. */
  lrem(key: string, item: string): boolean {
    this.#write();
    const list = this.#lists.get(key);
    const at = list?.indexOf(item) ?? -1;
    if (list === undefined || at < 0) return false;
    list.splice(at, 1);
    if (list.length === 0) this.#lists.delete(key);
    return true;
  }

  llen(key: string): number {
    return this.#lists.get(key)?.length ?? 0;
  }

  lrange(key: string): readonly string[] {
    return [...(this.#lists.get(key) ?? [])];
  }

  xadd(key: string, fields: readonly string[]): string {
    this.#write();
    return made(this.#streams, key, () => new Stream()).add(this.nowMs, fields);
  }

  xlen(key: string): number {
    return this.#streams.get(key)?.length ?? 0;
  }

  /** Those after the id. */
  xrange(key: string, afterId: string, count: number): [string, readonly string[]][] {
    const found = this.#streams.get(key)?.after(streamIdOf(afterId), count) ?? [];
    return found.map((entry) => [nameOf(entry), entry.fields]);
  }

  xtrim(key: string, minId: string): number {
    this.#write();
    return this.#streams.get(key)?.trimBefore(streamIdOf(minId)) ?? 0;
  }

  /** Members of all keys. */
  get size(): number {
    let size = this.#texts.size;
    for (const hash of this.#hashes.values()) size += hash.size;
    for (const set of this.#sets.values()) size += set.size;
    for (const sorted of this.#sorted.values()) size += sorted.size;
    for (const list of this.#lists.values()) size += list.length;
    for (const stream of this.#streams.values()) size += stream.length;
    return size;
  }

  keys(): string[] {
    for (const key of this.#texts.keys()) this.get(key);
    return [this.#texts, ...this.#kinds()].flatMap((kind) => Array.from(kind.keys()));
  }

  /** In a form that can be compared. */
  valueOf(key: string): unknown {
    const text = this.get(key);
    if (text !== null) return text;
    const [hash, set, sorted, list] = [
      this.#hashes.get(key),
      this.#sets.get(key),
      this.#sorted.get(key),
      this.#lists.get(key),
    ];
    if (hash !== undefined) return Object.fromEntries(hash);
    if (set !== undefined) return new Set(set);
    if (sorted !== undefined) return sorted.order.map(({ member, score }) => [member, score]);
    if (list !== undefined) return [...list];
    return this.#streams.get(key)?.entries.map(({ fields }) => fields) ?? null;
  }

  #write(): void {
    if (this.writesRefusal !== null) throw new ReplyError(this.writesRefusal);
  }

  #kinds(): Map<string, unknown>[] {
    return [this.#hashes, this.#sets, this.#sorted, this.#lists, this.#streams];
  }
}

function made<T>(all: Map<string, T>, key: string, make: () => T): T {
  let value = all.get(key);
  if (value === undefined) all.set(key, (value = make()));
  return value;
}

/** A key goes with its last member. */
function removed<T extends { readonly size: number }>(
  all: Map<string, T>,
  key: string,
  remove: (value: T) => boolean,
): boolean {
  const value = all.get(key);
  if (value === undefined || !remove(value)) return false;
  if (value.size === 0) all.delete(key);
  return true;
}
