import { Reserve } from "../../core/reserve/reserve.ts";
import type { MakePoolPolicy } from "../policy.ts";
import { numberArgument } from "./argument.ts";
import { OwnersEnd } from "./owners-end.ts";

/**
 * The production forecast and rule. `learned`: `waitedShareMax` limits the share of the owners' arriving GPUs that meet a lent
 * one; `learned:met`: the share of the ticks at which any does, for traces so coarse that many arrive at each. `learned:S`:
 * an eviction counts S seconds instead of what the rules make it cost, so that the harvest can be seen against what owners bear.
 */
export const learnedPools: MakePoolPolicy = (argument, { rules, waitedShareMax }) => {
  const counts = argument === "met" ? "met" : "waited";
  const planned = argument === null || argument === "met" ? null : numberArgument(argument, "learned", 900);
  const limit = waitedShareMax === null ? null : ({ counts, max: waitedShareMax } as const);
  const reserve = new Reserve({ penaltyS: planned ?? rules.penaltyS, vacateS: rules.vacateS, limit });
  const ends = new Map<string, OwnersEnd>();
  return {
    decide({ timeS, samples }) {
      for (const { pool, taken, takenPlace } of samples) {
        if (taken === null || takenPlace === null) continue;
        if (!ends.has(pool)) ends.set(pool, new OwnersEnd());
        ends.get(pool)!.took(taken, takenPlace);
      }
      const lends = reserve.decide(timeS, samples);
      return lends.map(({ pool, lent, reason }) => ({ pool, lent, lends: ends.get(pool)?.other, reason }));
    },
  };
};
