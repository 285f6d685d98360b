import type { WaitingGuest } from "../core/guest.ts";
import type { TenantUse } from "../core/snapshot.ts";
import type { Settings } from "../config/settings.ts";
import type { TenantUsage } from "../store/tenant-usage.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Fleet } from "./fleet.ts";

/** What each tenant had of late, counted from the live leases: the measure of its turn. */
export class TenantUses {
  readonly #fleet: Fleet;
  readonly #usage: TenantUsage;
  /** Device-ms, decayed to the last count. */
  readonly #used = new Map<string, number>();
  readonly #clock: Clock;
  readonly #settings: Settings["fairShare"];
  #countedToMs: number;

  constructor(parts: { fleet: Fleet; usage: TenantUsage; clock: Clock; settings: Settings["fairShare"] }) {
    this.#fleet = parts.fleet;
    this.#usage = parts.usage;
    this.#clock = parts.clock;
    this.#settings = parts.settings;
    this.#countedToMs = parts.clock.monotonicMs();
  }

  async load(): Promise<void> {
    for (const [tenant, deviceMs] of await this.#usage.read(this.#clock.wallMs()))
      this.#used.set(tenant, deviceMs);
  }

  async save(): Promise<void> {
    this.count();
    await this.#usage.write(this.#used, this.#clock.wallMs());
  }

  /** Counts what the live leases had since the last call; a paused guest uses nothing. */
  count(): void {
    const nowMs = this.#clock.monotonicMs();
    const elapsedMs = nowMs - this.#countedToMs;
    this.#countedToMs = nowMs;
    this.#decay(elapsedMs);
    const shares = new Map<string, number>();
    for (const { lease } of this.#fleet.leases.values()) {
      if (lease.state === "paused") continue;
      let permille = shares.get(lease.tenant) ?? 0;
      for (const grant of lease.grants) permille += grant.sharePermille;
      shares.set(lease.tenant, permille);
    }
    for (const [tenant, permille] of shares)
      this.#used.set(tenant, (this.#used.get(tenant) ?? 0) + (permille / 1_000) * elapsedMs);
  }

  /** A tenant that has as good as nothing left is forgotten, so that names which come and go do not pile up. */
  #decay(elapsedMs: number): void {
    const kept = 2 ** (-elapsedMs / this.#settings.halfLifeMs);
    for (const [tenant, deviceMs] of this.#used) {
      if (deviceMs * kept < 1) this.#used.delete(tenant);
      else this.#used.set(tenant, deviceMs * kept);
    }
  }

  of(tenant: string): TenantUse {
    const weight = this.#settings.weights[tenant] ?? this.#settings.weight;
    return { tenant, weight, usedDeviceMs: this.#used.get(tenant) ?? 0 };
  }

  /** Of the tenants that wait. */
  uses(guests: readonly WaitingGuest[]): TenantUse[] {
    const tenants = new Set<string>();
    for (const guest of guests) tenants.add(guest.spec.tenant);
    return [...tenants].map((tenant) => this.of(tenant));
  }
}
