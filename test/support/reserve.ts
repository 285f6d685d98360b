import { Reserve, type ReserveSettings } from "../../src/core/reserve/reserve.ts";

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
export function play(settings: ReserveSettings, ticks: readonly Tick[], from = 0): Played {
  const reserve = new Reserve(settings);
  const played: { timeS: number; idle: number; lent: number }[] = [];
  let [lent, before, arrived, waited, met] = [0, 0, 0, 0, 0];
  for (const [index, { timeS, total, busy, pending, afterGap }] of ticks.entries()) {
    const demand = Math.min(total, busy + pending);
    const idle = Math.floor(total - demand + 1e-9);
    const came = afterGap ? 0 : lent;
    const evicted = Math.max(0, came - idle);
    const rise = afterGap || index === 0 ? 0 : Math.max(0, demand - before);
    if (index >= from) {
      arrived += rise;
      waited += Math.min(evicted, rise);
      if (evicted > 0) met++;
    }
    const reading = {
      pool: "a",
      gpusTotal: total,
      gpusBusy: busy,
      gpusPending: pending,
      lent: came - evicted,
      evicted,
      afterGap: afterGap || index === 0,
    };
    lent = reserve.decide(timeS, [reading])[0]!.lent;
    before = demand;
    played.push({ timeS, idle, lent });
  }
  return { ticks: played, waited: waited / arrived, met: met / (ticks.length - from) };
}

/** Numerical Recipes' linear congruential generator: the same for a seed everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … 1. */
  next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }
}

/** 64 GPUs of an owner whose jobs of 1 to 16 GPUs come and go by chance: `rate` times one in 50 ticks, each for 60 ticks ÷ `rate`. */
export function randomWalk(length: number, stepS: number, seed: number, rate = 1): Tick[] {
  const random = new Random(seed);
  let jobs: { gpus: number; end: number }[] = [];
  return Array.from({ length }, (_, index) => {
    jobs = jobs.filter(({ end }) => end > index);
    if (random.next() < 0.02 * rate)
      jobs.push({
        gpus: 2 ** Math.floor(random.next() * 5),
        end: index + 1 - (Math.log(random.next() + 1e-9) * 60) / rate,
      });
    const busy = jobs.reduce((sum, { gpus }) => sum + gpus, 0);
    return { timeS: index * stepS, total: 64, busy: Math.min(64, busy), pending: 0, afterGap: index === 0 };
  });
}
