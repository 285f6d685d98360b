import { describe, expect, it } from "vitest";
import { heldThrough } from "../support/held-through.ts";
import { isHeld } from "../support/held.ts";
import { injected } from "../support/pool-scenarios.ts";

/** Days within which a limit is held again after something began or ended. */
const BACK_DAYS_MAX = 4;
/** Of the limit, on the worst day of all, beside what chance alone makes of a day. */
const WORST_DAY_MAX = 2.5;

describe.each(Object.entries(injected))("a limit under %s", { timeout: 120_000 }, (_, injections) => {
  it.each([0.25, 0.1, 0.05, 0.01])("is held: %d", (max) => {
    const { run, phases } = heldThrough(injections, max, 1);
    expect(isHeld(run), `${run.share.toFixed(3)} ± ${run.noise.toFixed(3)} of the limit`).toBe(true);
    for (const { worstDay, daysUntilHeld } of phases) {
      expect(worstDay.share - worstDay.noise).toBeLessThan(WORST_DAY_MAX);
      expect(daysUntilHeld ?? Infinity).toBeLessThanOrEqual(BACK_DAYS_MAX);
    }
  });
});
