import { Reserve } from "../../src/core/reserve/reserve.ts";
import { daysUntilHeld, held, lentShare, worstDay, type Held } from "./held.ts";
import { changeDay, endDay, scenario, type Injection } from "./pool-scenarios.ts";
import { playScenario } from "./reserve.ts";

const DAY_S = 86_400;

/** How a limit was held before, through and after what is injected. */
export interface HeldThrough {
  readonly run: Held;
  readonly lent: number;
  /** While it lasts, and after it has gone again. */
  readonly phases: readonly [Phase, Phase];
}

export interface Phase {
  readonly worstDay: Held;
  /** Days from its begin until the limit is held; null: never. */
  readonly daysUntilHeld: number | null;
}

export function heldThrough(injections: readonly Injection[], max: number, seed: number): HeldThrough {
  const reserve = new Reserve({ penaltyS: 0, vacateS: 10, limit: { counts: "waited", max } });
  const { stepS, ticks } = scenario(seed, injections);
  const played = playScenario(reserve, { stepS, ticks });
  const day = DAY_S / stepS;
  const phase = (fromDay: number, toDay?: number): Phase => {
    const part = played.slice(fromDay * day, toDay === undefined ? undefined : toDay * day);
    return { worstDay: worstDay(part, stepS, max), daysUntilHeld: daysUntilHeld(part, stepS, max) };
  };
  return {
    run: held(played, stepS, max),
    lent: lentShare(played),
    phases: [phase(changeDay, endDay), phase(endDay)],
  };
}
