import { Reserve } from "../../core/reserve/reserve.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { MakePoolPolicy } from "../policy.ts";

/**
 * The production forecast and rule. `waitedShareMax` limits the share of the owners' arriving GPUs that meet a lent one; as
 * `learned:met` the share of the ticks at which any does, for traces so coarse that many always arrive.
 */
export const learnedPools: MakePoolPolicy = (argument, { rules, waitedShareMax }) => {
  const counts = argument ?? "waited";
  if (counts !== "waited" && counts !== "met")
    throw new GleanerError("COMMAND_INVALID", {
      problem: `on pools, learned takes waited, met or nothing after a colon, not ${JSON.stringify(counts)}`,
      command: "backtest",
    });
  const limit = waitedShareMax === null ? null : ({ counts, max: waitedShareMax } as const);
  const reserve = new Reserve({ penaltyS: rules.penaltyS, vacateS: rules.vacateS, limit });
  return { decide: ({ timeS, samples }) => reserve.decide(timeS, samples) };
};
