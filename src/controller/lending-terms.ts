import type { GuestCosts } from "../core/forecast/costs-meter.ts";
import type { LendingTerms } from "../core/forecast/device-lending.ts";
import type { PoolPolicy } from "../core/policy.ts";
import type { Settings } from "../config/settings.ts";

/** What guests are believed to cost before any was seen. */
export function believedCosts({ guest, forecast }: Settings): GuestCosts {
  return {
    startS: guest.startMs / 1_000,
    vacateS: guest.noticeMs / 1_000,
    evictedS: forecast.evictionPenaltyMs / 1_000,
  };
}

/** What lending in a pool costs guests, and what its owner allows. */
export function lendingTerms(policy: PoolPolicy, costs: GuestCosts, settings: Settings): LendingTerms {
  const pauses = policy.firstRung === "pause";
  const resumeS = settings.forecast.resumeIdleMsMin / 1_000;
  const { startS, vacateS: endS, evictedS } = costs;
  const { meetingsPerGpuDayMax: perGpuDayMax } = policy;
  return {
    met: pauses ? "pause" : "kill",
    startS,
    endS,
    evictedS,
    resumeS,
    // An owner who is not seen may be there: the guest is taken away as if.
    lostS: pauses ? resumeS : evictedS,
    // As agents have it: after a while of silence a guest makes way as for an owner, unless owners call.
    lostIsMet: policy.returnSignal === "activity",
    pauseBudgetS: policy.pauseBudgetMs / 1_000,
    plannedMetS: null,
    limit: perGpuDayMax === null ? null : { owner: ownerOf(policy), perGpuDayMax },
    keptFree: false,
  };
}

/** Whose numbers hold for the pool, as a key: pools that name no owner have one each. */
export function ownerOf({ owner, pool }: Pick<PoolPolicy, "owner" | "pool">): string {
  return owner === "" ? `pool ${pool}` : `owner ${owner}`;
}
