import type { DeviceUuid } from "./device.ts";
import type { Settlement } from "./ledger-event.ts";
import { TenantRecord } from "./tenant-record.ts";

export interface BlackHoleSettings {
  /** This many different guests … */
  readonly failuresMax: number;
  /** … that failed after no more work than this make a device a black hole, where nothing else explains it. */
  readonly failedWithinMs: number;
  /** What is further back than this is forgotten. */
  readonly forMs: number;
}

/** One device of an attempt. */
export interface Attempt {
  readonly device: DeviceUuid;
  readonly host: string;
  readonly tenant: string;
  readonly guestId: string;
}

/** Guests of one tenant that failed at once on one device, where none ran well since. */
interface Suspicion {
  /** When the first of them started. */
  readonly sinceMs: number;
  /** The newest few, each with the time of its failure. */
  readonly guests: Map<string, number>;
}

/** Devices and tenants followed at once; those of which nothing was heard for longest are forgotten first. */
const devicesMax = 100_000;
const tenantsMax = 10_000;
const tenantsPerDeviceMax = 16;

/**
 * Finds devices on which guests keep failing at once: such a device is free again at once, so that it would swallow guest
 * after guest. A tenant's broken command does the same to a sound device, so a device is blamed only for what does not
 * happen elsewhere. (Spark counts a failed task against an executor only once the task's set succeeded, for that reason.)
 *
 * - A tenant whose guests fail at once on other hosts too explains its failures itself, unless those of its guests that
 *   started since its first failure here run well on more devices than that. The same host's other devices do not excuse
 *   a device: a broken host fails on all of them.
 * - `failuresMax` different guests of tenants that do not explain it make a black hole, if they are of more tenants than
 *   one, or if guests of their one tenant run well elsewhere meanwhile.
 *
 * Where a single tenant runs nowhere else nobody can tell a broken device from a broken batch: it is not blamed.
 */
export class BlackHoleWatch {
  readonly #settings: BlackHoleSettings;
  readonly #suspicions = new Map<DeviceUuid, Map<string, Suspicion>>();
  readonly #tenants = new Map<string, TenantRecord>();

  constructor(settings: BlackHoleSettings) {
    this.#settings = settings;
  }

  /** A guest begins to work. */
  began({ device, host, tenant }: Attempt, atMs: number): void {
    this.#recordOf(tenant).began(device, host, atMs);
  }

  /** An attempt ended. Answers the evidence against the device; null: it is not to blame, as far as is known. */
  ended(attempt: Attempt, { outcome, workedMs }: Settlement, atMs: number): string | null {
    const { device, host, tenant } = attempt;
    const record = this.#recordOf(tenant);
    const atOnce = workedMs <= this.#settings.failedWithinMs;
    if (outcome === "failed" && atOnce) {
      record.failedAtOnce(device, host, atMs);
      this.#suspect(attempt, atMs - workedMs, atMs);
      return this.#judge(attempt, atMs);
    }
    if (outcome === "done" || (outcome !== "failed" && !atOnce)) {
      record.ranWell(device, host, atMs - workedMs);
      this.#suspicions.delete(device);
    } else record.left(device, host);
    return null;
  }

  #suspect({ device, tenant, guestId }: Attempt, startedAtMs: number, atMs: number): void {
    const tenants = this.#suspicions.get(device) ?? new Map<string, Suspicion>();
    const suspicion = tenants.get(tenant) ?? { sinceMs: startedAtMs, guests: new Map<string, number>() };
    putLast(suspicion.guests, guestId, atMs, this.#settings.failuresMax);
    putLast(tenants, tenant, suspicion, tenantsPerDeviceMax);
    putLast(this.#suspicions, device, tenants, devicesMax);
  }

  #judge({ device, host }: Attempt, nowMs: number): string | null {
    const { failuresMax, failedWithinMs: atOnceMs, forMs } = this.#settings;
    const sum = { guests: 0, tenants: 0, well: 0, failed: 0 };
    for (const [tenant, { sinceMs, guests }] of this.#suspicions.get(device) ?? []) {
      const recent = [...guests.values()].filter((failedAtMs) => nowMs - failedAtMs < forMs);
      if (recent.length === 0) continue;
      const elsewhere = this.#recordOf(tenant).elsewhere(
        { device, host },
        { sinceMs: Math.max(sinceMs, nowMs - forMs), nowMs, atOnceMs, forMs },
      );
      if (elsewhere.failed > 0 && elsewhere.well <= elsewhere.failed) continue;
      sum.guests += recent.length;
      sum.tenants += 1;
      sum.well += elsewhere.well;
      sum.failed += elsewhere.failed;
    }
    if (sum.guests < failuresMax || (sum.tenants < 2 && sum.well === 0)) return null;
    this.#suspicions.delete(device);
    const [whose, same] =
      sum.tenants === 1 ? ["one tenant", "tenant"] : [`${sum.tenants} tenants`, "tenants"];
    return (
      `${sum.guests} guests of ${whose} failed within ${atOnceMs} ms of their start and none ran well between them; ` +
      `meanwhile guests of the same ${same} ran well on ${sum.well} other devices and failed so on ${sum.failed} of other hosts`
    );
  }

  #recordOf(tenant: string): TenantRecord {
    const record = this.#tenants.get(tenant) ?? new TenantRecord();
    putLast(this.#tenants, tenant, record, tenantsMax);
    return record;
  }
}

/** Keeps the map in the order of the latest news, and within its bound. */
function putLast<K, V>(map: Map<K, V>, key: K, value: V, sizeMax: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > sizeMax && oldest !== undefined) map.delete(oldest);
}
