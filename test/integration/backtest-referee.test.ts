import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { backtestDevices } from "../../src/backtest/backtest-devices.ts";
import { backtestPools } from "../../src/backtest/backtest-pools.ts";
import { writeDeviceDecisions, writePoolDecisions } from "../../src/backtest/decisions-csv.ts";
import { guestsAtLoad } from "../../src/backtest/guests/guests-at-load.ts";
import { defaultDeviceRules, defaultPoolRules } from "../../src/backtest/rules.ts";
import { idleRuns } from "../../src/backtest/score/idle-runs.ts";
import { readDeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { readPoolTrace } from "../../src/backtest/trace/pool-trace.ts";
import {
  deviceFigures,
  figuresOf,
  poolFigures,
  withDirectory,
  type Figures,
} from "../support/backtest/figures.ts";
import golden from "../support/backtest/golden.json" with { type: "json" };
import { deviceCase, poolCase } from "../support/backtest/random-cases.ts";
import {
  askReferee,
  noReferee,
  realTrace,
  refereeFigures,
  type RefereeCase,
} from "../support/backtest/referee.ts";

const caseCount = 150;
const context = { meetingsPerGpuDayMax: null, waitedShareMax: null, seed: 1 };
const missing = noReferee();
/** Those that leave, pause and resume by themselves take their time: once is enough. */
const withLearned = (penaltyS: number) => (penaltyS === 300 ? ["learned"] : []);

if (missing !== null) console.warn(`SKIPPED: our scores are not compared with the referee's: ${missing}`);

describe.skipIf(missing !== null)("our scores and the referee's", { timeout: 300_000 }, () => {
  it.each(["devices", "pools"] as const)(
    "agree on each figure of random small traces of %s",
    async (shape) => {
      const make = shape === "devices" ? deviceCase : poolCase;
      const cases = Array.from({ length: caseCount }, (_, seed) => make(seed));
      const theirs = await refereeFigures(cases);
      for (const [seed, kase] of cases.entries())
        expectSame(await figuresOf(kase), theirs[seed]!, `seed ${seed}`);
    },
  );

  it("agree on the small traces whose figures are checked in", async () => {
    const { devices, pools } = golden;
    const asked = [
      ...Object.keys(devices).map((seed) => deviceCase(Number(seed))),
      ...Object.keys(pools).map((seed) => poolCase(Number(seed))),
    ];
    const theirs = await refereeFigures(asked);
    for (const [index, figures] of [...Object.values(devices), ...Object.values(pools)].entries())
      expectSame(figures, theirs[index]!, JSON.stringify(asked[index]));
  });

  it("agree on real devices, whatever the policy, the penalty and the recall", async ({ skip }) => {
    const path = realTrace("genai.devices.csv.gz");
    if (path === null) skip("there are no ../shared/traces");
    const trace = await readDeviceTrace(path!);
    await withDirectory(async (dir) => {
      const ours: Figures[] = [];
      const asked: RefereeCase[] = [];
      for (const mode of ["kill", "pause"] as const)
        for (const penaltyS of [60, 300, 900]) {
          const rules = { ...defaultDeviceRules, mode, penaltyS };
          const { results } = backtestDevices(
            trace,
            [...withLearned(penaltyS), "age:300", "lend-all", "clairvoyant"],
            {
              ...context,
              rules,
            },
          );
          for (const { tally, decisions } of results) {
            const file = join(dir, `${asked.length}.csv`);
            await writeDeviceDecisions(file, decisions);
            asked.push({ shape: "devices", trace: path!, decisions: file, rules });
            ours.push(deviceFigures(trace, rules, tally));
          }
        }
      const theirs = await askReferee(asked);
      for (const [index, figures] of ours.entries())
        expectSame(figures, theirs[index]!, JSON.stringify(asked[index]));
    });
  });

  it("agree on real devices beside a queue that may be empty", async ({ skip }) => {
    const path = realTrace("genai.devices.csv.gz");
    if (path === null) skip("there are no ../shared/traces");
    const trace = await readDeviceTrace(path!);
    await withDirectory(async (dir) => {
      const ours: Figures[] = [];
      const asked: RefereeCase[] = [];
      for (const mode of ["kill", "pause"] as const) {
        const rules = { ...defaultDeviceRules, mode };
        const guests = guestsAtLoad(idleRuns(trace, rules), 0.5, 300, 1);
        const { results } = backtestDevices(
          trace,
          ["learned", "age:300", "lend-all"],
          { ...context, rules },
          () => {},
          { guests, orders: ["useful"] },
        );
        for (const { tally, decisions } of results) {
          const file = join(dir, `${asked.length}.csv`);
          await writeDeviceDecisions(file, decisions);
          asked.push({ shape: "devices", trace: path!, decisions: file, rules });
          ours.push(deviceFigures(trace, rules, tally));
        }
      }
      const theirs = await askReferee(asked);
      for (const [index, figures] of ours.entries())
        expectSame(figures, theirs[index]!, JSON.stringify(asked[index]));
    });
  });

  it.for(["earth.pools.csv.gz", "spot2026.demand.csv.gz"])(
    "agree on the real pools of %s",
    async (name, { skip }) => {
      const path = realTrace(name);
      if (path === null) skip("there are no ../shared/traces");
      const trace = await readPoolTrace(path!);
      await withDirectory(async (dir) => {
        const ours: Figures[] = [];
        const asked: RefereeCase[] = [];
        for (const penaltyS of [60, 300]) {
          const rules = { ...defaultPoolRules, penaltyS };
          for (const { pools, decisions } of backtestPools(
            trace,
            [...withLearned(penaltyS), "lend-all", "clairvoyant"],
            {
              ...context,
              rules,
            },
          )) {
            const file = join(dir, `${asked.length}.csv`);
            await writePoolDecisions(file, decisions);
            asked.push({ shape: "pools", trace: path!, decisions: file, rules });
            ours.push(poolFigures(rules, pools));
          }
        }
        const theirs = await askReferee(asked);
        for (const [index, figures] of ours.entries())
          expectSame(figures, theirs[index]!, JSON.stringify(asked[index]));
      });
    },
  );
});

/** To a thousandth of a second, and counts exactly. */
function expectSame(ours: Figures, theirs: Figures, what: string): void {
  expect(Object.keys(ours).toSorted(), what).toEqual(Object.keys(theirs).toSorted());
  for (const [name, value] of Object.entries(ours))
    if (Math.abs(value - theirs[name]!) > 1e-7 * Math.max(1, Math.abs(value) / 1e4))
      expect.fail(`${what}: ${name} is ${value} here and ${theirs[name]} at the referee`);
}
