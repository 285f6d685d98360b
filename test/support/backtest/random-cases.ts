import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { DeviceVerb } from "../../../src/backtest/policy.ts";
import {
  defaultDeviceRules,
  defaultPoolRules,
  type DeviceRules,
  type PoolRules,
} from "../../../src/backtest/rules.ts";

/** A small trace and decisions about it, full of edges: made of a seed, always the same. */
export interface DeviceCase {
  readonly shape: "devices";
  readonly csv: string;
  readonly decisions: readonly { timeS: number; device: string; action: DeviceVerb }[];
  readonly rules: DeviceRules;
}

export interface PoolCase {
  readonly shape: "pools";
  readonly csv: string;
  readonly decisions: readonly { timeS: number; pool: string; lent: number }[];
  readonly rules: PoolRules;
}

export function deviceCase(seed: number): DeviceCase {
  const { pick, chance } = dice(seed);
  const rules: DeviceRules = {
    ...defaultDeviceRules,
    mode: pick("kill", "pause"),
    penaltyS: pick(0, 60, 300, 900),
    startS: pick(0, 30),
    vacateS: pick(0, 10),
    resumeS: pick(0, 2),
    pauseBudgetS: pick(0, 57, 114, 600),
    unknown: pick("clean", "evict"),
  };
  const devices = ["a", "b-1", "7", "c"].slice(0, pick(1, 2, 3, 4));
  const rows: string[] = [];
  const moments: number[] = [];
  // Owners stay busy, and idle, for a while.
  const busy = new Map<string, boolean>();
  let timeS = pick(0, 12.5);
  for (let tick = 0; tick < pick(1, 5, 20, 60); tick++) {
    moments.push(timeS);
    for (const device of devices) {
      if (chance(0.08)) continue;
      if (chance(0.25)) busy.set(device, chance(0.4));
      const util = busy.get(device) === true ? pick("0.01", "3", "100") : pick("0", "0.0", "0.005", "0");
      const memory = pick("1000", "1000", "1000", "40960", "40961.5", "");
      rows.push(`${timeS},${device},pool,${chance(0.06) ? "" : util},${memory}`);
    }
    timeS += pick(57, 57, 57, 57, 30.5, 90, 90.25, 147, 700);
  }
  if (rows.length === 0) rows.push(`${timeS},a,pool,0,1000`);
  const decisions = Array.from({ length: pick(0, 3, 20, 60) }, () => ({
    timeS: pick(...moments) + pick(0, 0, 0, 1, 30.5, 57, 90, 114, 600, -3),
    device: chance(0.03) ? "stranger" : pick(...devices),
    action: pick<DeviceVerb>("lend", "lend", "lend", "vacate", "pause", "resume"),
  }));
  return {
    shape: "devices",
    csv: `time_s,device,pool,gpu_util_pct,mem_used_mib\n${rows.join("\n")}\n`,
    decisions: decisions.toSorted((one, other) => one.timeS - other.timeS),
    rules,
  };
}

export function poolCase(seed: number): PoolCase {
  const { pick, chance } = dice(seed);
  const rules: PoolRules = {
    ...defaultPoolRules,
    penaltyS: pick(0, 5, 60, 300, 900),
    startS: pick(0, 30),
    vacateS: pick(0, 10),
    leadS: pick(0, 5),
  };
  const pools = ["a", "b-1", "7"].slice(0, pick(1, 2, 3));
  const withPending = chance(0.7);
  const total = new Map(pools.map((pool) => [pool, pick(0, 1, 4, 8)]));
  const rows: string[] = [];
  const moments: number[] = [];
  let timeS = pick(0, 12.5);
  for (let tick = 0; tick < pick(1, 5, 20, 60); tick++) {
    moments.push(timeS);
    for (const pool of pools) {
      if (tick > 0 && chance(0.05)) continue;
      if (chance(0.05)) total.set(pool, pick(0, 2, 4, 8));
      const busy = pick(0, 1, 1.5, 2.25, 3, 4, 6, 9);
      const pending = withPending ? `,${chance(0.1) ? "" : pick(0, 0, 0, 2, 0.5)}` : "";
      rows.push(`${timeS},${pool},${total.get(pool)!},${busy}${pending}`);
    }
    timeS += pick(60, 60, 60, 60, 60, 61, 180, 180.5, 30, 900);
  }
  const decisions = Array.from({ length: pick(0, 3, 20, 60) }, () => ({
    timeS: pick(...moments) + pick(0, 0, 0, 1, 60, 180, 1_000),
    pool: pick(...pools),
    lent: pick(0, 0, 1, 2, 3, 5, 9),
  }));
  return {
    shape: "pools",
    csv: `time_s,pool,gpus_total,gpus_busy${withPending ? ",gpus_pending" : ""}\n${rows.join("\n")}\n`,
    decisions: decisions.toSorted((one, other) => one.timeS - other.timeS),
    rules,
  };
}

function dice(seed: number) {
  const random = xoroshiro128plus(seed);
  const below = (count: number) => uniformInt(random, 0, count - 1);
  return {
    pick: <T>(...from: readonly T[]): T => from[below(from.length)]!,
    chance: (share: number): boolean => below(1_000) < 1_000 * share,
  };
}
