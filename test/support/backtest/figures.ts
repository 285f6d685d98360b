import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poolScorer } from "../../../src/backtest/backtest-pools.ts";
import { playDecisions } from "../../../src/backtest/replay/device-replay.ts";
import type { DeviceRules, PoolRules } from "../../../src/backtest/rules.ts";
import { deviceBounds } from "../../../src/backtest/score/device-bounds.ts";
import type { DeviceTally } from "../../../src/backtest/score/device-tally.ts";
import { idleRuns } from "../../../src/backtest/score/idle-runs.ts";
import { poolNetS, sumTallies, type PoolTally } from "../../../src/backtest/score/pool-tally.ts";
import { readDeviceTrace, type DeviceTrace } from "../../../src/backtest/trace/device-trace.ts";
import { readPoolTrace } from "../../../src/backtest/trace/pool-trace.ts";
import type { DeviceCase, PoolCase } from "./random-cases.ts";

/** All that the referee says of a case, by the referee's names and in its units, but not rounded. */
export type Figures = Readonly<Record<string, number>>;

/** A directory that is gone afterwards. */
export async function withDirectory<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "gleaner-backtest-"));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What our scorers say of a case. */
export async function figuresOf(kase: DeviceCase | PoolCase): Promise<Figures> {
  return withDirectory(async (dir) => {
    const path = join(dir, "trace.csv");
    await writeFile(path, kase.csv);
    if (kase.shape === "devices") {
      const trace = await readDeviceTrace(path);
      return deviceFigures(trace, kase.rules, playDecisions(trace, kase.rules, kase.decisions));
    }
    const pools = poolScorer(await readPoolTrace(path), kase.rules)(kase.decisions);
    return poolFigures(kase.rules, pools);
  });
}

export function deviceFigures(trace: DeviceTrace, rules: DeviceRules, tally: DeviceTally): Figures {
  const { idleS, novacateS, vacateS } = deviceBounds(idleRuns(trace, rules), rules);
  const { netS, runningS, grossS, leases, ends, violations, ignored, ownerPauses } = tally;
  return {
    idle_h: idleS / 3_600,
    bound_novacate_h: novacateS / 3_600,
    bound_vacate_h: vacateS / 3_600,
    net_h: netS / 3_600,
    running_h: runningS / 3_600,
    gross_h: grossS / 3_600,
    leases,
    owner: ends.owner,
    vacated: ends.vacated,
    unknown: ends.unknown,
    trace_end: ends.trace_end,
    violations,
    ignored,
    owner_pauses: ownerPauses,
    owner_ends_per_guest_h: ends.owner / Math.max(runningS / 3_600, 1e-9),
  };
}

export function poolFigures(
  rules: PoolRules,
  pools: readonly { readonly pool: string; readonly tally: PoolTally }[],
): Figures {
  const all = [...pools, { pool: "TOTAL", tally: sumTallies(pools.map(({ tally }) => tally)) }];
  return Object.fromEntries(
    all.flatMap(({ pool, tally }) => {
      const { lentS, idleS, boundS, exactS, starts, returns, evictions, arrivals, waited, violations } =
        tally;
      const netS = poolNetS(tally, rules);
      const fields = {
        net_h: netS / 3_600,
        lent_h: lentS / 3_600,
        idle_h: idleS / 3_600,
        bound_h: boundS / 3_600,
        exact_h: exactS / 3_600,
        starts,
        returns,
        evictions,
        arrivals,
        waited,
        waited_s: waited * rules.leadS,
        violations,
        short_tick_rate: tally.lentTicks === 0 ? -1 : tally.shortTicks / tally.lentTicks,
      };
      return Object.entries(fields).map(([name, value]) => [`${pool} ${name}`, value]);
    }),
  );
}
