import type { Redis } from "ioredis";
import { z } from "zod";
import { policySchema } from "../config/settings.ts";
import type { PoolPolicy } from "../core/policy.ts";
import type { Hold, Target } from "../core/target.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";
import { zoneKeys, type ZoneKeys } from "./keys.ts";
import { ask } from "./redis-error.ts";

/** "I am about to work": pauses guests and keeps them away until it expires. */
export interface BusyHint {
  readonly id: string;
  readonly target: Target;
  readonly reason: string;
  /** Wall clock, ms. */
  readonly expiresAtMs: number;
}

/** Holds, and hints, that a zone keeps. */
const entriesMax = 10_000;

const targetSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("devices"), uuids: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("pool"), pool: z.string(), devices: z.int().nonnegative() }),
  z.strictObject({ kind: z.literal("fleet") }),
]);

const holdSchema: z.ZodType<Hold> = z.strictObject({
  id: z.string(),
  target: targetSchema,
  reason: z.string(),
  createdAtMs: z.number(),
  expiresAtMs: z.number().nullable(),
});

const hintSchema: z.ZodType<BusyHint> = z.strictObject({
  id: z.string(),
  target: targetSchema,
  reason: z.string(),
  expiresAtMs: z.number(),
});

/**
 * What owners said, kept for the next leader. Not fenced by the leader's epoch: holding back is safe from anyone. What
 * cannot be read is logged and withholds: an unreadable hold or hint covers the fleet, an unreadable policy only observes.
 */
export class OwnerStore {
  readonly #redis: Redis;
  readonly #keys: ZoneKeys;
  readonly #logger: Logger | undefined;

  constructor(redis: Redis, zone: string, logger?: Logger) {
    this.#redis = redis;
    this.#keys = zoneKeys(zone);
    this.#logger = logger;
  }

  /** The same id again renews it. Throws TOO_MANY_HOLDS. */
  async putHold(hold: Hold): Promise<void> {
    await this.#put(this.#keys.holds, "holds", hold.id, hold);
  }

  /** False: there was none. */
  async removeHold(id: string): Promise<boolean> {
    return this.#remove(this.#keys.holds, id);
  }

  /** Without those that expired before `nowMs`, which are forgotten. */
  async holds(nowMs: number): Promise<Hold[]> {
    const onDoubt = (id: string): Hold => ({ ...everything(id), createdAtMs: nowMs, expiresAtMs: null });
    return this.#standing(this.#keys.holds, holdSchema, onDoubt, nowMs);
  }

  async putHint(hint: BusyHint): Promise<void> {
    await this.#put(this.#keys.hints, "hints", hint.id, hint);
  }

  async removeHint(id: string): Promise<boolean> {
    return this.#remove(this.#keys.hints, id);
  }

  async hints(nowMs: number): Promise<BusyHint[]> {
    const onDoubt = (id: string): BusyHint => ({ ...everything(id), expiresAtMs: Number.MAX_SAFE_INTEGER });
    return this.#standing(this.#keys.hints, hintSchema, onDoubt, nowMs);
  }

  async putPolicy(policy: PoolPolicy): Promise<void> {
    await this.#put(this.#keys.policies, "policies", policy.pool, policy);
  }

  async removePolicy(pool: string): Promise<boolean> {
    return this.#remove(this.#keys.policies, pool);
  }

  async policies(): Promise<PoolPolicy[]> {
    const observe = (pool: string): PoolPolicy => ({
      ...policySchema.parse({ pool: "unreadable", mode: "observe" }),
      pool,
    });
    const policies = await this.#read<PoolPolicy>(this.#keys.policies, policySchema, observe);
    return [...policies.values()];
  }

  async #put(key: string, what: string, id: string, value: unknown): Promise<void> {
    const isNew = (await ask(this.#redis, this.#redis.hexists(key, id))) === 0;
    if (isNew && (await ask(this.#redis, this.#redis.hlen(key))) >= entriesMax)
      throw new GleanerError("TOO_MANY_HOLDS", { what, countMax: entriesMax });
    await ask(this.#redis, this.#redis.hset(key, id, JSON.stringify(value)));
  }

  async #remove(key: string, id: string): Promise<boolean> {
    return (await ask(this.#redis, this.#redis.hdel(key, id))) === 1;
  }

  async #standing<T extends { readonly expiresAtMs: number | null }>(
    key: string,
    schema: z.ZodType<T>,
    onDoubt: (id: string) => T,
    nowMs: number,
  ): Promise<T[]> {
    const entries = [...(await this.#read(key, schema, onDoubt))];
    const isOver = ([, { expiresAtMs }]: [string, T]) => expiresAtMs !== null && expiresAtMs <= nowMs;
    const over = entries.filter(isOver).map(([id]) => id);
    if (over.length > 0) await ask(this.#redis, this.#redis.hdel(key, ...over));
    return entries.filter((entry) => !isOver(entry)).map(([, value]) => value);
  }

  async #read<T>(key: string, schema: z.ZodType<T>, onDoubt: (id: string) => T): Promise<Map<string, T>> {
    const entries = Object.entries(await ask(this.#redis, this.#redis.hgetall(key)));
    return new Map(
      entries.toSorted(byId).map(([id, json]) => {
        const result = schema.safeParse(parseJson(json));
        if (result.success) return [id, result.data];
        this.#logger?.error(
          { key, id, problem: z.prettifyError(result.error) },
          "unreadable in Redis: nothing is lent on its account",
        );
        return [id, onDoubt(id)];
      }),
    );
  }
}

function byId([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}

function everything(id: string) {
  return {
    id,
    target: { kind: "fleet" },
    reason: `${id} is unreadable in Redis; remove it by its id`,
  } as const;
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // the schema refuses it and says what it is
  }
}
