import { categories, type Category } from "../core/account-category.ts";
import type { CountName, Wait } from "./lease-facts.ts";
import type { CategoryHours, GroupBooks, Report, WaitTimes } from "./report.ts";

/** Device-µs in a device-hour: 3,600,000 ms of 1,000 thousandths. */
export const usPerDeviceHour = 3_600_000_000;

const harvested: Readonly<Record<Category, boolean>> = {
  owner_busy: false,
  idle_unlent: false,
  starting: true,
  useful: true,
  paused: true,
  lost: true,
  handing_back: true,
  quarantined: false,
  unknown: false,
};

/** Adds up what belongs to the fleet, a pool, an owner or a tenant. */
class GroupSum {
  readonly #name: string;
  readonly #us = new Map<string, { readonly category: Category; readonly reason: string; us: number }>();
  readonly #counts = new Map<CountName, number>();
  readonly #waits: Record<Wait["stage"], number[]> = { compute: [], release: [] };

  constructor(name: string) {
    this.#name = name;
  }

  add(category: Category, reason: string, us: number): void {
    const key = `${category} ${reason}`;
    const sum = this.#us.get(key);
    if (sum === undefined) this.#us.set(key, { category, reason, us });
    else sum.us += us;
  }

  count(name: CountName, n: number): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + n);
  }

  wait(stage: Wait["stage"], ms: number): void {
    this.#waits[stage].push(ms);
  }

  books(pricePerGpuHour: number): GroupBooks {
    const hours: CategoryHours[] = sortAmounts([...this.#us.values()]).map(({ category, reason, us }) => ({
      category,
      reason,
      deviceHours: us / usPerDeviceHour,
    }));
    const sum = (wanted: (category: Category) => boolean) =>
      hours.reduce((total, each) => total + (wanted(each.category) ? each.deviceHours : 0), 0);
    const deviceHours = sum(() => true);
    const usefulGpuHours = sum((category) => category === "useful");
    const meetings = this.#counts.get("meetings") ?? 0;
    const returns = this.#counts.get("returns") ?? 0;
    return {
      name: this.#name,
      deviceHours,
      hours,
      harvestedGpuHours: sum((category) => harvested[category]),
      usefulGpuHours,
      lostGpuHours: sum((category) => category === "lost"),
      usefulMoney: usefulGpuHours * pricePerGpuHour,
      leases: this.#counts.get("leases") ?? 0,
      evictions: this.#counts.get("evictions") ?? 0,
      meetings,
      meetingsPerGpuDay: deviceHours === 0 ? 0 : meetings / (deviceHours / 24),
      meetingsPerGpuDayMax: null,
      returns,
      waitedShare: returns === 0 ? 0 : (this.#counts.get("met_returns") ?? 0) / returns,
      waitedShareMax: null,
      computeWait: waitTimes(this.#waits.compute),
      releaseWait: waitTimes(this.#waits.release),
      deadlinesMissed: this.#counts.get("deadlines_missed") ?? 0,
    };
  }
}

/** By what a device's time is grouped. */
export interface GroupedDevice {
  readonly uuid: string;
  readonly pool: string;
  readonly host: string;
  readonly owner: string;
}

/** The sums that one amount, count or wait belongs to. */
export class Groups {
  readonly #devices: ReadonlyMap<string, GroupedDevice>;
  readonly #price: number;
  readonly #total = new GroupSum("all");
  readonly #pools = new Map<string, GroupSum>();
  readonly #owners = new Map<string, GroupSum>();
  readonly #tenants = new Map<string, GroupSum>();

  constructor(devices: ReadonlyMap<string, GroupedDevice>, price: number) {
    this.#devices = devices;
    this.#price = price;
  }

  *of(uuid: string, tenant: string): Generator<GroupSum> {
    yield this.#total;
    const device = this.#devices.get(uuid);
    if (device !== undefined) {
      yield groupIn(this.#pools, device.pool);
      yield groupIn(this.#owners, device.owner);
    }
    if (tenant !== "") yield groupIn(this.#tenants, tenant);
  }

  books(): Pick<Report, "total" | "pools" | "owners" | "tenants"> {
    const sorted = (groups: Map<string, GroupSum>) =>
      [...groups.values()]
        .map((group) => group.books(this.#price))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return {
      total: this.#total.books(this.#price),
      pools: sorted(this.#pools),
      owners: sorted(this.#owners),
      tenants: sorted(this.#tenants),
    };
  }
}

function groupIn(groups: Map<string, GroupSum>, name: string): GroupSum {
  let group = groups.get(name);
  if (group === undefined) groups.set(name, (group = new GroupSum(name)));
  return group;
}

/** In the order of the categories, then by reason: the same books print the same. */
export function sortAmounts<T extends { readonly category: Category; readonly reason: string }>(
  amounts: T[],
): T[] {
  const order = (category: Category) => categories.indexOf(category);
  return amounts.toSorted((a, b) => order(a.category) - order(b.category) || (a.reason < b.reason ? -1 : 1));
}

/** Percentiles by nearest rank: a wait that somebody had, not one between two. */
export function waitTimes(ms: readonly number[]): WaitTimes {
  const sorted = Float64Array.from(ms).toSorted();
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: rank(1) };
}
