import { Reserve, type PoolReading, type ReserveSettings } from "../../src/core/reserve/reserve.ts";
import type { Scenario } from "./pool-scenarios.ts";
import { seeded } from "../../src/backtest/seeded.ts";

export interface Tick {
  readonly timeS: number;
  readonly total: number;
  readonly busy: number;
  readonly pending: number;
  readonly afterGap: boolean;
}

interface Played {
  readonly ticks: readonly { readonly timeS: number; readonly idle: number; readonly lent: number }[];
  /** The limit's two shares, of the ticks from `from` on. */
  readonly waited: number;
  readonly met: number;
}

/** One pool whose owner takes lent GPUs as demand rises: what the reserve answers to it. */
export function play(
  settings: ReserveSettings,
  ticks: readonly Tick[],
  from = 0,
  reserve = new Reserve(settings),
): Played {
  const pool = new OwnedPool("a");
  const played: { timeS: number; idle: number; lent: number }[] = [];
  const sums = { arrived: 0, waited: 0, met: 0 };
  for (const [index, tick] of ticks.entries()) {
    const { reading, arrived, waited, idle } = pool.next(tick);
    if (index >= from) {
      sums.arrived += arrived;
      sums.waited += waited;
      if (reading.evicted > 0) sums.met++;
    }
    pool.lent = reserve.decide(tick.timeS, [reading])[0]!.lent;
    played.push({ timeS: tick.timeS, idle, lent: pool.lent });
  }
  return { ticks: played, waited: sums.waited / sums.arrived, met: sums.met / (ticks.length - from) };
}

/** What one tick of all of an owner's pools came to, GPUs. */
export interface OwnerTick {
  readonly arrived: number;
  readonly waited: number;
  readonly idle: number;
  readonly lent: number;
}

/** All pools of a scenario under one reserve. */
export function playScenario(reserve: Reserve, { stepS, ticks }: Scenario): OwnerTick[] {
  const pools = ticks[0]!.map((_, index) => new OwnedPool(`pool-${index}`));
  return ticks.map((row, tick) => {
    const timeS = tick * stepS;
    const sums = { arrived: 0, waited: 0, idle: 0, lent: 0 };
    const seen = row.flatMap((now, index) => {
      if (now === null) return [];
      const pool = pools[index]!;
      // as in a replay: more than three steps without a reading are a gap
      const afterGap = timeS - pool.timeS > 3 * stepS;
      const { reading, arrived, waited, idle } = pool.next({
        timeS,
        total: now.total,
        busy: now.demand,
        pending: 0,
        afterGap,
      });
      sums.arrived += arrived;
      sums.waited += waited;
      sums.idle += idle;
      return [{ pool, reading }];
    });
    const answers = reserve.decide(
      timeS,
      seen.map(({ reading }) => reading),
    );
    for (const [index, { lent }] of answers.entries()) sums.lent += seen[index]!.pool.lent = lent;
    return sums;
  });
}

/** A pool whose owner takes back lent GPUs where there are no others. */
class OwnedPool {
  timeS = -Infinity;
  lent = 0;
  readonly #name: string;
  #demand = NaN;

  constructor(name: string) {
    this.#name = name;
  }

  next({ timeS, total, busy, pending, afterGap }: Tick): {
    reading: PoolReading;
    arrived: number;
    waited: number;
    idle: number;
  } {
    const demand = Math.min(total, busy + pending);
    const idle = Math.floor(total - demand + 1e-9);
    const known = !afterGap && this.timeS > -Infinity;
    const came = known ? this.lent : 0;
    const evicted = Math.max(0, came - idle);
    const arrived = known ? Math.max(0, demand - this.#demand) : 0;
    this.timeS = timeS;
    this.#demand = demand;
    const reading = {
      pool: this.#name,
      gpusTotal: total,
      gpusBusy: busy,
      gpusPending: pending,
      lent: came - evicted,
      evicted,
      taken: null,
      afterGap: !known,
    };
    return { reading, arrived, waited: Math.min(evicted, arrived), idle };
  }
}

/** 64 GPUs of an owner whose jobs of 1 to 16 GPUs come and go by chance: `rate` times one in 50 ticks, each for 60 ticks ÷ `rate`. */
export function randomWalk(length: number, stepS: number, seed: number, rate = 1): Tick[] {
  const random = seeded(seed);
  let jobs: { gpus: number; end: number }[] = [];
  return Array.from({ length }, (_, index) => {
    jobs = jobs.filter(({ end }) => end > index);
    if (random() < 0.02 * rate)
      jobs.push({
        gpus: 2 ** Math.floor(random() * 5),
        end: index + 1 - (Math.log(random() + 1e-9) * 60) / rate,
      });
    const busy = jobs.reduce((sum, { gpus }) => sum + gpus, 0);
    return { timeS: index * stepS, total: 64, busy: Math.min(64, busy), pending: 0, afterGap: index === 0 };
  });
}
