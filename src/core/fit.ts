import type { GuestSpec, WaitingGuest } from "./guest.ts";
import type { PoolPolicy } from "./policy.ts";
import type { ReasonCode } from "./reasons.ts";
import type { CycleSettings } from "./snapshot.ts";
import type { SurvivalCurve } from "./survival-curve.ts";

/** What a guest asks of an idle window, ms. */
export interface TimeNeed {
  readonly startMs: number;
  /** The least that makes a loan worth while: start, one checkpoint where the guest names an interval, notice. */
  readonly leastMs: number;
  /** As far as the window is of use: start and the work that is left. */
  readonly horizonMs: number;
  readonly noticeMs: number;
}

/** How an idle window suits a need. */
export interface Fit {
  /** null: it may be lent. */
  readonly obstacle: Extract<
    ReasonCode,
    "notice_too_long" | "window_too_short" | "window_not_worth_it"
  > | null;
  readonly usefulMs: number;
  readonly chanceFits: number;
}

/** What a guest says of its times. */
interface TimedGuest extends Pick<WaitingGuest, "workedMs"> {
  readonly spec: Pick<GuestSpec, "startMs" | "noticeMs" | "checkpointIntervalMs" | "durationHintMs">;
}

/** What a pool asks of a guest's times. */
type PoolTimes = Pick<PoolPolicy, "firstRung" | "recallDeadlineMs">;

export function timeNeed(guest: TimedGuest, settings: CycleSettings): TimeNeed {
  const { startMs, noticeMs, checkpointIntervalMs, durationHintMs } = guest.spec;
  const remainingMs =
    durationHintMs === null
      ? settings.horizonMs
      : Math.min(settings.horizonMs, roundUpHint(durationHintMs - guest.workedMs));
  const checkpointMs = Math.min(checkpointIntervalMs ?? 0, remainingMs);
  return {
    startMs,
    leastMs: startMs + checkpointMs + noticeMs,
    horizonMs: startMs + remainingMs,
    noticeMs,
  };
}

/** A hint is rough: rounded up to half an octave, so that guests of one kind share a need whatever they did so far. */
function roundUpHint(remainingMs: number): number {
  return remainingMs <= 1 ? 1 : Math.ceil(2 ** (Math.ceil(2 * Math.log2(remainingMs)) / 2));
}

/**
 * Guest-to-window fit. W is the time until the owner returns, S its survival, s the start, k the checkpoint interval that the
 * guest names (0: its notice is enough for it), c the notice, H the horizon:
 *
 *     useful = E[min(W, H)] − s                value = useful − r·(1 − S(H))
 *     fits:         S(s + k + c) ≥ fitChanceMin
 *     worth it:     value > 0
 *
 * Where a return evicts, it costs r = c + penalty. Where the pool's first rung is a pause, a return costs the guest little
 * (r = the pause's penalty): it keeps its memory and its start. Whether to lend now or to wait for another reading
 * is asked of the device, whatever the guest (`DeviceLending`).
 *
 * And before all: the notice and what a cut-off agent needs beside it (`unheardMs`) end before the pool's deadline.
 *
 * Gives the value, > 0; or minus the place in `obstacles` of what is in the way.
 */
export function windowValueMs(
  curve: SurvivalCurve,
  need: TimeNeed,
  pool: PoolTimes,
  settings: CycleSettings,
): number {
  if (need.noticeMs + settings.unheardMs >= pool.recallDeadlineMs) return -3;
  if (curve.survivalAt(need.leastMs) < settings.fitChanceMin) return -1;
  const returnMs =
    pool.firstRung === "pause" ? settings.pausePenaltyMs : need.noticeMs + settings.evictionPenaltyMs;
  const valueMs =
    curve.expectedIdleMs(need.horizonMs) - need.startMs - returnMs * (1 - curve.survivalAt(need.horizonMs));
  return valueMs > 0 ? valueMs : -2;
}

const obstacles = [null, "window_too_short", "window_not_worth_it", "notice_too_long"] as const;

export function fitWindow(
  curve: SurvivalCurve,
  need: TimeNeed,
  pool: PoolTimes,
  settings: CycleSettings,
): Fit {
  const valueMs = windowValueMs(curve, need, pool, settings);
  return {
    obstacle: obstacles[Math.max(0, -valueMs)] ?? null,
    usefulMs: curve.expectedIdleMs(need.horizonMs) - need.startMs,
    chanceFits: curve.survivalAt(need.leastMs),
  };
}
