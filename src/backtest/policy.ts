import type { DeviceUuid, OwnerState } from "../core/device.ts";
import type { SurvivalCurve } from "../core/survival-curve.ts";
import type { IdleEnd } from "./replay/free-gpus.ts";
import type { DeviceRules, PoolRules } from "./rules.ts";

/**
 * What a policy is, to the backtest. Strictly causal by construction: it is handed one moment after the other and never holds
 * the trace, so that what it answers at a moment can depend on that moment and on what went before, and on nothing else.
 * It is deterministic: randomness comes from `seed` alone.
 *
 * The order within a moment: the trace speaks first (owners return, guests are paused or evicted, budgets run out), then
 * `decide` is called once, then what it answered takes effect, in the order given, at the moment's time.
 *
 * Where guests are few, a lend is an offer: a guest comes when one waits, at once or up to the device's next sample, and with
 * that the policy says again what it will lend.
 */

// ---- devices: which GPU to lend ----

export interface DevicePolicy {
  decide(moment: DeviceMoment): Iterable<DeviceAction>;
  /**
   * When to be asked again though no sample may come by then, s: `decide` is called with no samples at that time if the trace has
   * none before it. Read after each `decide`, later than its moment; absent or Infinity: with the next samples. Nothing is asked after the last sample.
   */
  readonly wakeAtS?: number;
  /** How long the policy believes that a device stays idle from now on, right after `decide`; null: it cannot say. Absent: it has no forecast. */
  curve?(device: DeviceUuid, timeS: number): SurvivalCurve | null;
}

export interface DeviceMoment {
  /** Since the trace's start; more than at the call before. */
  readonly timeS: number;
  /** The lines of the trace of this time: at most one a device, in the order of the file. A device that is absent here has no new reading. */
  readonly samples: readonly DeviceSample[];
  /** The owner as the rules see them now: the last sample for up to `holdS`, then unknown. Of any device sampled so far. */
  readonly owner: (device: DeviceUuid) => OwnerState;
  readonly guest: (device: DeviceUuid) => GuestState;
  /**
   * Since the moment before, and of devices that no owner met: true, a guest has come by a lend that had waited for one; false, there is
   * none, for none came or its work is done. Empty where the queue is saturated: a guest comes with each lend and stays.
   */
  readonly turnover: ReadonlyMap<DeviceUuid, boolean>;
}

export interface DeviceSample {
  readonly device: DeviceUuid;
  readonly pool: string;
  /** 0–100; null: missing. */
  readonly utilPct: number | null;
  readonly memoryUsedMib: number | null;
  /** As the rules judge this reading: idle at utilisation 0, busy above; unknown where it is missing (in pause mode: memory too). */
  readonly owner: OwnerState;
  /** The owner's memory and a guest's fit the device together; in kill mode always. Only what is idle and fits can be lent. */
  readonly fits: boolean;
  /** Since when `owner` and `fits` are as they are, without a gap; this sample's own time where it changed them. */
  readonly sinceS: number;
}

/**
 * `paused_by_owner`: the device was not idle at some tick since the pause began; the guest resumes by itself at the next idle tick.
 * `paused`: by the policy; until it resumes or the pause budget is spent.
 */
export type GuestState = "none" | "running" | "paused" | "paused_by_owner";

export interface DeviceAction {
  readonly device: DeviceUuid;
  /** `pause` and `resume` in pause mode only. What does not apply (lent already, no guest) is ignored and counted. */
  readonly action: DeviceVerb;
  /** A word for machines: [a-z0-9_]. */
  readonly reason: string;
}

export type DeviceVerb = "lend" | "vacate" | "pause" | "resume";

// ---- pools: how many GPUs to lend ----

export interface PoolPolicy {
  decide(moment: PoolMoment): Iterable<PoolAction>;
}

export interface PoolMoment {
  /** Since the trace's start; more than at the call before. */
  readonly timeS: number;
  /** The lines of the trace of this time: at most one a pool, in the order of the file. */
  readonly samples: readonly PoolSample[];
}

export interface PoolSample {
  readonly pool: string;
  readonly gpusTotal: number;
  readonly gpusBusy: number;
  /** Owners' demand that waits for GPUs; 0 where the trace does not tell. */
  readonly gpusPending: number;
  /** min(total, busy + pending); in some traces not whole. */
  readonly demand: number;
  /** ⌊total − demand⌋: at most so many can be lent. */
  readonly idle: number;
  /** Still lent now, after this moment's evictions. */
  readonly lent: number;
  /** Lent GPUs that owners took back at this moment. */
  readonly evicted: number;
  /** GPUs that owners took since the moment before, lent or not; null: not known but for the rise of demand. */
  readonly taken: number | null;
  /** Where they stood among the idle ones in the mean: 0 idle longest … 1 shortest; null: none was taken, or not known. */
  readonly takenPlace: number | null;
  /** Nothing was known for a while before this moment (more than `gapSteps` of the usual steps so far): guests were handed back then. Also true at a pool's first line. */
  readonly afterGap: boolean;
}

export interface PoolAction {
  readonly pool: string;
  /** GPUs lent from this moment on, whole, 0 … idle; more is a violation. Without an action the level stays. */
  readonly lent: number;
  /** Which of the idle ones, where there are GPUs and not only counts; absent: those that idle longest. */
  readonly lends?: IdleEnd | undefined;
  readonly reason: string;
}

// ---- making one ----

/** What every policy may know beside the trace. */
export interface PolicyContext<Rules> {
  readonly rules: Rules;
  /** The owner's numbers: what to hold; null: no limit, the penalty alone counts. */
  readonly meetingsPerGpuDayMax: number | null;
  readonly waitedShareMax: number | null;
  readonly seed: number;
}

/** `argument` is what stands after the colon of `name:argument`; null without one. Throws COMMAND_INVALID for one that it cannot use. */
export type MakeDevicePolicy = (argument: string | null, context: PolicyContext<DeviceRules>) => DevicePolicy;
export type MakePoolPolicy = (argument: string | null, context: PolicyContext<PoolRules>) => PoolPolicy;
