import { describe, expect, it } from "vitest";
import { playSeeds } from "../sim/fleet-of-workers.ts";
import { mutants } from "../sim/mutants.ts";
import { type Outcome, play } from "../sim/run.ts";
import { drawScenario } from "../sim/scenario.ts";

/** `npm run sim` plays as many as one likes; these are here so that a change which breaks a promise is seen at once. */
const seed = 1;
const runs = 40;

/** Each showed a defect once, as runs are drawn now. */
const regressions = [301, 359, 528, 1873, 3203, 3266, 3321, 8856, 11037, 20493];

/** Those that the first runs find. */
const quickMutants = mutants.filter(({ breaks }) => ["I0", "I4", "I5", "I6"].includes(breaks));

describe("the simulator", { timeout: 180_000 }, () => {
  it("I0 I1 I2 I3 I4 I5 I6 I7 I8 I9 I10: no run of a whole fleet under faults breaks a promise", async () => {
    const failed: Outcome[] = [];
    let attempts = 0;
    await playSeeds({ seed, runs, jobs: 1 }, (outcome) => {
      attempts += outcome.starts;
      if (outcome.violations.length > 0) failed.push(outcome);
      return "go on";
    });
    expect(failed).toEqual([]);
    expect(attempts).toBeGreaterThan(runs);
  });

  it.each(regressions)("finds no more what it found once: seed %i", async (once) => {
    expect((await play(drawScenario(once))).violations).toEqual([]);
  });

  it("plays a seed the same way every time", async () => {
    const [one, other] = [await play(drawScenario(7)), await play(drawScenario(7))];
    expect(other).toEqual(one);
  });

  it.each(quickMutants)("finds a planted bug: $name", async (mutant) => {
    let found = 0;
    await playSeeds({ seed, runs: 150, jobs: 1, mutant }, ({ violations }) => {
      found += violations.length;
      return violations.length > 0 ? "enough" : "go on";
    });
    expect(found).toBeGreaterThan(0);
  });
});
