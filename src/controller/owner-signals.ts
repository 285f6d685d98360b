import { targetCovers, type Hold, type Target } from "../core/target.ts";
import type { PoolPolicy } from "../core/policy.ts";
import type { DeviceInfo } from "../core/device.ts";
import type { OwnerStore } from "../store/owner-store.ts";
import type { Settings } from "../config/settings.ts";
import { defaults } from "../config/defaults.ts";
import type { Clock } from "../runtime/clock.ts";

/** A Busy hint; the same target renews it. */
export interface BusyHint {
  readonly id: string;
  readonly target: Target;
  readonly reason: string;
  readonly expiresAtMs: number;
}

/**
 * What owners said that outlasts their call: holds, Busy hints, policies. Kept in memory, where recalls and the cycle read
 * them without waiting, and in Redis, from where the next leader takes them.
 */
export class OwnerSignals {
  readonly #store: OwnerStore;
  readonly #clock: Clock;
  readonly #holds = new Map<string, Hold>();
  readonly #hints = new Map<string, BusyHint>();
  readonly #policies = new Map<string, PoolPolicy>();
  readonly #settings: Settings;

  constructor(store: OwnerStore, clock: Clock, settings: Settings) {
    this.#store = store;
    this.#clock = clock;
    for (const policy of settings.policies) if (policy.pool !== "*") this.#policies.set(policy.pool, policy);
    this.#settings = settings;
  }

  async load(): Promise<void> {
    const nowMs = this.#clock.wallMs();
    for (const hold of await this.#store.holds(nowMs)) this.#holds.set(hold.id, hold);
    for (const hint of await this.#store.hints(nowMs)) this.#hints.set(hint.id, hint);
    for (const policy of await this.#store.policies()) this.#policies.set(policy.pool, policy);
  }

  policyOf(pool: string): PoolPolicy {
    return this.#policies.get(pool) ?? configuredPolicy(this.#settings, pool);
  }

  policies(): readonly PoolPolicy[] {
    return [...this.#policies.values()].toSorted((a, b) => (a.pool < b.pool ? -1 : 1));
  }

  /** Of all pools. */
  recallDeadlineMsMax(): number {
    const known = [configuredPolicy(this.#settings, "*"), ...this.#policies.values()];
    return Math.max(...known.map(({ recallDeadlineMs }) => recallDeadlineMs));
  }

  async setPolicy(policy: PoolPolicy): Promise<void> {
    await this.#store.putPolicy(policy);
    this.#policies.set(policy.pool, policy);
  }

  /** Works at once and is kept afterwards: holding back must not wait for Redis. */
  async hold(hold: Hold): Promise<void> {
    this.#holds.set(hold.id, hold);
    await this.#store.putHold(hold);
  }

  async unhold(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.#store.removeHold(id);
      this.#holds.delete(id);
    }
  }

  holds(): readonly Hold[] {
    this.expire();
    return [...this.#holds.values()];
  }

  async hint(hint: BusyHint): Promise<void> {
    this.#hints.set(hint.id, hint);
    await this.#store.putHint(hint);
  }

  /** Ends the hints whose target lies within what is named. */
  async endHints(covers: (hint: BusyHint) => boolean): Promise<number> {
    this.expire();
    const ended = [...this.#hints.values()].filter((hint) => covers(hint));
    for (const hint of ended) {
      await this.#store.removeHint(hint.id);
      this.#hints.delete(hint.id);
    }
    return ended.length;
  }

  /** Why the device may not be lent on its owner's word; null: nothing stands against it. */
  standsAgainst(device: Pick<DeviceInfo, "uuid" | "pool">): "held" | "hinted" | null {
    for (const hold of this.#holds.values()) if (targetCovers(hold.target, device)) return "held";
    return this.isHinted(device) ? "hinted" : null;
  }

  isHinted(device: Pick<DeviceInfo, "uuid" | "pool">): boolean {
    for (const hint of this.#hints.values()) if (targetCovers(hint.target, device)) return true;
    return false;
  }

  /** Forgets what has expired; the cycle calls it before it looks. */
  expire(): void {
    const nowMs = this.#clock.wallMs();
    for (const hold of this.#holds.values())
      if (hold.expiresAtMs !== null && hold.expiresAtMs <= nowMs) this.#holds.delete(hold.id);
    for (const hint of this.#hints.values()) if (hint.expiresAtMs <= nowMs) this.#hints.delete(hint.id);
  }
}

/** What the settings say of a pool that no owner has set a policy for. */
export function configuredPolicy(settings: Pick<Settings, "policies">, pool: string): PoolPolicy {
  const { policies } = settings;
  const configured =
    policies.find((policy) => policy.pool === pool) ?? policies.find((policy) => policy.pool === "*");
  if (configured !== undefined) return { ...configured, pool };
  const { holdAfterRecallMs: _, ...rest } = defaults.policy;
  return { owner: "", windows: [], ...rest, pool };
}
