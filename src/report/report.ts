import type { Category } from "../core/account-category.ts";
import type { Calibration } from "../core/forecast/calibration.ts";
import type { GuestState } from "../core/guest.ts";

/** Part of a device's time. One ms of a whole device is 1,000 device-µs. */
export interface Amount {
  readonly category: Category;
  /** Why, for idle_unlent and quarantined; else empty. */
  readonly reason: string;
  readonly deviceUs: number;
}

export interface DeviceBooks {
  readonly device: string;
  readonly pool: string;
  readonly host: string;
  readonly owner: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly elapsedUs: number;
  /** They sum to elapsedUs exactly. */
  readonly amounts: readonly Amount[];
}

export interface CategoryHours {
  readonly category: Category;
  readonly reason: string;
  readonly deviceHours: number;
}

/** Times an owner waited. All 0 when `count` is. */
export interface WaitTimes {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** The fleet, a pool, an owner or a tenant. */
export interface GroupBooks {
  readonly name: string;
  readonly deviceHours: number;
  readonly hours: readonly CategoryHours[];
  /** starting + useful + paused + lost + handing_back. */
  readonly harvestedGpuHours: number;
  readonly usefulGpuHours: number;
  readonly lostGpuHours: number;
  /** usefulGpuHours × the price; 0 without a price. */
  readonly usefulMoney: number;
  readonly leases: number;
  readonly evictions: number;
  readonly meetings: number;
  readonly meetingsPerGpuDay: number;
  /** Of a pool: the most that its owner allows, as the policy says now; null: no limit, or not known. */
  readonly meetingsPerGpuDayMax: number | null;
  /** Owners' stays on devices that were idle, with a guest there or not; by tenant 0. */
  readonly returns: number;
  /** The part of them that found a guest; 0 without any. */
  readonly waitedShare: number;
  /** As `meetingsPerGpuDayMax`. */
  readonly waitedShareMax: number | null;
  readonly computeWait: WaitTimes;
  readonly releaseWait: WaitTimes;
  readonly deadlinesMissed: number;
}

/** What the forecast said of owners' returns, against what came of it. */
export interface ReportCalibration {
  /** The leading controller counts since then, or within the report's range since then, in whole hours; wall clock. */
  readonly fromMs: number;
  /** Of all devices of the report, for each horizon. */
  readonly total: readonly Calibration[];
  readonly pools: readonly { readonly pool: string; readonly horizons: readonly Calibration[] }[];
}

/** What a pool's owner allows; null: no limit. */
export type OwnerNumbers = Pick<GroupBooks, "meetingsPerGpuDayMax" | "waitedShareMax">;

/** What the books do not know, and whoever leads does. */
export interface LiveFacts {
  /** Guests: the books hear of one when it is lent to, the queue knows those that never were. */
  readonly waiting: number;
  /** By pool. */
  readonly ownerNumbers: ReadonlyMap<string, OwnerNumbers>;
  readonly calibration: ReportCalibration;
}

/** What served an owner's return. */
export const returnRungs = ["pause", "vacate", "kill", "recall"] as const;
export type ReturnRung = (typeof returnRungs)[number];

export interface Report {
  /** Wall clock, ms. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly total: GroupBooks;
  readonly pools: readonly GroupBooks[];
  readonly owners: readonly GroupBooks[];
  readonly tenants: readonly GroupBooks[];
  readonly devices: readonly DeviceBooks[];
  /** Every device's amounts sum to its elapsed time exactly. */
  readonly balanced: boolean;
  /** Stretches that the books could not see, and bounds that were rounded, in words. */
  readonly gaps: readonly string[];
  readonly guestsByState: Readonly<Partial<Record<GuestState, number>>>;
  readonly returnsByRung: Readonly<Record<ReturnRung, number>>;
  /** null: from the books alone. */
  readonly calibration: ReportCalibration | null;
}

export function withLiveFacts(report: Report, { waiting, ownerNumbers, calibration }: LiveFacts): Report {
  return {
    ...report,
    pools: report.pools.map((pool) => ({ ...pool, ...ownerNumbers.get(pool.name) })),
    guestsByState: { ...report.guestsByState, waiting },
    calibration,
  };
}
