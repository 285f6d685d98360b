export type LendMode = "observe" | "lend";
/** The first rung of the recall ladder: pause → vacate → kill. */
export type Rung = "pause" | "vacate" | "kill";
export type VacateFromPause = "thaw" | "kill";
/** `activity`: telemetry tells owner from guest. `call`: the owner promises to call Recall or Busy. */
export type ReturnSignal = "activity" | "call";

/** A time of the week in which lending is allowed. */
export interface LendWindow {
  /** 0 Sunday – 6 Saturday; empty: every day. */
  readonly weekdays: readonly number[];
  readonly startMinute: number;
  /** Before or at startMinute: past midnight. */
  readonly endMinute: number;
  readonly timeZone: string;
}

/** The rules that an owner sets for a pool. */
export interface PoolPolicy {
  readonly pool: string;
  readonly owner: string;
  readonly mode: LendMode;
  /** Part of the pool's devices that may be lent at once, 0–1. */
  readonly lentShareMax: number;
  readonly windows: readonly LendWindow[];
  /** How often a return may find a guest, per device and day; null: no limit. */
  readonly meetingsPerGpuDayMax: number | null;
  /** Of the devices that owners take in the pool, the part that may find a guest on one, above 0 and up to 1; null: no limit. */
  readonly waitedShareMax: number | null;
  readonly recallDeadlineMs: number;
  readonly pauseBudgetMs: number;
  /** How a recall begins, and how far an owner who just starts working, for whom guests are frozen at once, lets them stay. */
  readonly firstRung: Rung;
  readonly vacateFromPause: VacateFromPause;
  readonly returnSignal: ReturnSignal;
  readonly reserveMemoryMib: number;
  readonly idleMsMin: number;
}
