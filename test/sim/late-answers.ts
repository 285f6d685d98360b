import { guestSpec, type PlannedGuest, type Scenario, wholeDevice } from "./plan.ts";
import type { Random } from "./world/random.ts";

/** Share of the runs that it is added to. */
const inRuns = 0.1;

/**
 * What chance alone hardly ever puts together: the answers to a host's renewals are held up for a second or two, nobody hears
 * the host when they arrive, one of its guests has long to work and takes its whole notice to leave, and a term is long beside
 * what is allowed for the end of a guest. Whoever counts a term from the answer keeps that guest for longer than its
 * controller waits.
 */
export function withLateAnswers(random: Random, scenario: Scenario): Scenario {
  if (!random.chance(inRuns)) return scenario;
  const { guests, faults, hosts, settings } = scenario;
  const [cutMs, answeredMs] = [random.between(100, 800), random.between(1_000, 2_500)];
  const out = { fromMs: cutMs, toMs: cutMs + random.between(7_000, 10_000) };
  const guest = longGuest("guest that stays", random.between(1_000, 20_000), random.between(15_000, 25_000));
  return {
    ...scenario,
    settings: {
      ...settings,
      terms: { ...settings.terms, termMs: 4_500 },
      recall: { ...settings.recall, killMarginMs: 100, proofMs: 300 },
    },
    guests: [...guests, guest],
    faults: [
      ...faults,
      {
        kind: "isolate",
        atMs: guest.atMs,
        lastsMs: out.toMs,
        onEntering: "starting",
        behindMs: random.exponential(500),
        host: random.pick(hosts).name,
        out,
        back: { fromMs: 0, toMs: answeredMs },
      },
    ],
  };
}

function longGuest(key: string, atMs: number, workMs: number): PlannedGuest {
  return {
    key,
    atMs,
    cancelAtMs: null,
    spec: guestSpec(key, wholeDevice, 0),
    program: {
      workMs,
      checkpointEveryMs: 1_000,
      leavesAfterMs: Infinity,
      diesAfterMs: 5,
      exitCode: 0,
      childOutlivesMs: 0,
    },
  };
}
