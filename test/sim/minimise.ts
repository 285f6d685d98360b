import { play } from "./run.ts";
import type { Scenario } from "./plan.ts";

/** Runs that a search may cost. */
const runsMax = 300;

/** The same violation with as little as possible: faults first, then what owners do, then guests. */
export async function minimise(scenario: Scenario, invariant: string): Promise<Scenario> {
  let least = scenario;
  let runsLeft = runsMax;
  const stillFails = async (candidate: Scenario) => {
    runsLeft -= 1;
    const { violations } = await play(candidate);
    return violations.some((violation) => violation.invariant === invariant);
  };
  for (const part of ["faults", "owners", "guests"] as const)
    for (let at = least[part].length - 1; at >= 0; at -= 1) {
      if (runsLeft === 0) return least;
      const candidate = { ...least, [part]: least[part].filter((_, index) => index !== at) };
      if (await stillFails(candidate)) least = candidate;
    }
  return least;
}
