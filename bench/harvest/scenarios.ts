import { heldThrough } from "../../test/support/held-through.ts";
import { injected } from "../../test/support/pool-scenarios.ts";
import { held, type Figures, type Section } from "./figures.ts";

const shares = [0.25, 0.1, 0.05, 0.01];
const names = Object.keys(injected);

/** An owner's number while arrivals change, burst and restart and telemetry is lost: multiples of the number, and days. */
export const scenarios: Section = {
  trace: null,
  targets: Object.fromEntries(
    // where arrivals are so few that chance alone moves the share by more, it is shown and not judged
    names.flatMap((name) => [0.25, 0.1].map((share) => [`${keyOf(name, share)}OffBy`, held])),
  ),
  async measure() {
    const figures = names.flatMap((name) => shares.map((share) => figuresOf(name, share)));
    return Object.fromEntries(figures.flatMap((each) => Object.entries(each)));
  },
};

function figuresOf(name: string, share: number): Figures {
  const { run, lent, phases } = heldThrough(injected[name]!, share, 1);
  const key = keyOf(name, share);
  const [during, after] = phases;
  return {
    [`${key}Held`]: run.share,
    [`${key}Noise`]: run.noise,
    [`${key}OffBy`]: Math.abs(run.share - 1),
    [`${key}Lent`]: lent,
    [`${key}WorstDay`]: Math.max(during.worstDay.share, after.worstDay.share),
    [`${key}DaysUntilHeldDuring`]: during.daysUntilHeld ?? NaN,
    [`${key}DaysUntilHeldAfter`]: after.daysUntilHeld ?? NaN,
  };
}

function keyOf(name: string, share: number): string {
  const words = name.replaceAll(/ (\w)/g, (_, letter: string) => letter.toUpperCase());
  return `${words}At${share}`;
}
