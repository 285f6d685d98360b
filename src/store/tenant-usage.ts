import type { Redis } from "ioredis";
import { z } from "zod";
import type { Logger } from "../runtime/log.ts";
import { zoneKeys } from "./keys.ts";
import { ask, askAll } from "./redis-error.ts";

/** Device-ms as of a moment; it halves with each half-life after it. */
interface Usage {
  readonly deviceMs: number;
  readonly atMs: number;
}

const usageSchema: z.ZodType<Usage> = z.strictObject({
  deviceMs: z.number().nonnegative(),
  atMs: z.number(),
});

/** Tenants that used less than this since they were written last are not written again: they have only decayed. */
const changeMsMin = 1;

/** What each tenant used of late, kept for the next leader. The leader counts in memory and writes in batches. */
export class TenantUsage {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #halfLifeMs: number;
  readonly #logger: Logger | undefined;
  /** As Redis has it. */
  readonly #written = new Map<string, Usage>();

  constructor(redis: Redis, zone: string, settings: { readonly halfLifeMs: number }, logger?: Logger) {
    this.#redis = redis;
    this.#key = zoneKeys(zone).tenantUsage;
    this.#halfLifeMs = settings.halfLifeMs;
    this.#logger = logger;
  }

  /** Device-ms by tenant, decayed to `nowMs` (wall clock). */
  async read(nowMs: number): Promise<Map<string, number>> {
    this.#written.clear();
    for (const [tenant, text] of Object.entries(await ask(this.#redis, this.#redis.hgetall(this.#key)))) {
      const [deviceMs, atMs] = text.split("@").map(Number);
      const result = usageSchema.safeParse({ deviceMs, atMs });
      if (result.success) this.#written.set(tenant, result.data);
      else
        this.#logger?.error(
          { tenant, text },
          "a tenant's past use is unreadable in Redis and counts as none",
        );
    }
    return new Map([...this.#written].map(([tenant, usage]) => [tenant, this.#decayed(usage, nowMs)]));
  }

  /** Replaces all of it by what is true at `nowMs`; only what changed is sent. */
  async write(used: ReadonlyMap<string, number>, nowMs: number): Promise<void> {
    const forgotten = [...this.#written.keys()].filter((tenant) => !used.has(tenant));
    const changed = [...used].filter(([tenant, deviceMs]) => {
      const before = this.#written.get(tenant);
      return before === undefined || Math.abs(deviceMs - this.#decayed(before, nowMs)) >= changeMsMin;
    });
    const pipeline = this.#redis.pipeline();
    if (forgotten.length > 0) pipeline.hdel(this.#key, ...forgotten);
    const fields = new Map(changed.map(([tenant, deviceMs]) => [tenant, `${deviceMs}@${nowMs}`]));
    if (fields.size > 0) pipeline.hset(this.#key, fields);
    await askAll(this.#redis, pipeline);
    for (const tenant of forgotten) this.#written.delete(tenant);
    for (const [tenant, deviceMs] of changed) this.#written.set(tenant, { deviceMs, atMs: nowMs });
  }

  #decayed({ deviceMs, atMs }: Usage, nowMs: number): number {
    return deviceMs * 2 ** (-Math.max(0, nowMs - atMs) / this.#halfLifeMs);
  }
}
