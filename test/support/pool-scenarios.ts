import { seeded } from "../../src/backtest/seeded.ts";

/** One pool of an owner at one tick, GPUs; null where telemetry was lost. */
export type PoolTick = { readonly total: number; readonly demand: number } | null;

/** An owner's pools over time, made up. */
export interface Scenario {
  readonly stepS: number;
  /** By tick, then by pool. */
  readonly ticks: readonly (readonly PoolTick[])[];
}

/** What is done to an owner's life from one day to another. */
export type Injection = { readonly fromDay: number; readonly toDay: number } & (
  | { readonly kind: "arrivals" | "sizes"; readonly times: number }
  /** Half of a pool's idle GPUs are taken at one tick and given back within the hour: so often a day in each pool. */
  | { readonly kind: "bursts"; readonly perDay: number }
  /** All pools restart at this hour of each day: nothing is demanded for so long, then all of it again. */
  | { readonly kind: "deploys"; readonly hour: number; readonly awayS: number }
  /** Nothing is read of this pool, of all where null; `hours` once a day, or single ticks with a chance. */
  | { readonly kind: "gaps"; readonly pool: number | null; readonly hours: number }
  | { readonly kind: "misses"; readonly chance: number }
);

/** Days: what is injected begins and ends. */
export const changeDay = 15;
export const endDay = 30;
export const daysMax = 45;
const meanwhile = { fromDay: changeDay, toDay: endDay };

export const injected: Readonly<Record<string, readonly Injection[]>> = {
  nothing: [],
  "four times the arrivals": [{ ...meanwhile, kind: "arrivals", times: 4 }],
  "four times the sizes": [{ ...meanwhile, kind: "sizes", times: 4 }],
  "bursts that take half of what is idle": [{ ...meanwhile, kind: "bursts", perDay: 3 }],
  "a deploy every day": [{ ...meanwhile, kind: "deploys", hour: 14, awayS: 600 }],
  "a deploy on two days": [
    { kind: "deploys", hour: 14, awayS: 600, fromDay: changeDay, toDay: changeDay + 2 },
  ],
  "no telemetry for hours": [{ ...meanwhile, kind: "gaps", pool: null, hours: 4 }],
  "no telemetry of one pool for hours": [{ ...meanwhile, kind: "gaps", pool: 0, hours: 4 }],
  "single ticks lost": [{ ...meanwhile, kind: "misses", chance: 0.05 }],
};

const totals = [128, 96, 64, 64];
const DAY_S = 86_400;
const stepS = 300;
/** Jobs an hour and GPU at noon; at midnight a fifth of it. */
const jobsPerGpuHour = 0.06;
const jobMeanS = 1.25 * 3_600;

/** Jobs of 1 to 16 GPUs that come by the hour of day and stay for hours, in four pools; `injections` on top. */
export function scenario(seed: number, injections: readonly Injection[]): Scenario {
  const pools = totals.map((total, pool) => demandOf(total, seed * totals.length + pool, injections));
  const random = seeded(seed + 1_000);
  const ticks = pools[0]!.map((_, tick) => {
    const active = injections.filter((injection) => isActive(injection, tick * stepS));
    return totals.map((total, pool): PoolTick => {
      const lost = active.some((injection) => isLost(injection, tick * stepS, pool, random));
      return lost ? null : { total, demand: Math.min(total, pools[pool]![tick]!) };
    });
  });
  return { stepS, ticks };
}

function demandOf(total: number, seed: number, injections: readonly Injection[]): number[] {
  const random = seeded(seed);
  let jobs: { gpus: number; endS: number }[] = [];
  return Array.from({ length: (daysMax * DAY_S) / stepS }, (_, tick) => {
    const timeS = tick * stepS;
    const active = injections.filter((injection) => isActive(injection, timeS));
    jobs = jobs.filter(({ endS }) => endS > timeS);
    const busy = sum(jobs);
    const rate = jobsPerGpuHour * total * (stepS / 3_600) * hourFactor(timeS) * timesOf(active, "arrivals");
    for (let arrivals = poisson(rate, random); arrivals > 0; arrivals--)
      jobs.push({
        gpus: 2 ** Math.floor(random() * random() * 5) * timesOf(active, "sizes"),
        endS: timeS + exponential(jobMeanS, random),
      });
    for (const burst of active) {
      if (burst.kind !== "bursts" || random() >= (burst.perDay * stepS) / DAY_S) continue;
      jobs.push({ gpus: Math.floor((total - Math.min(total, busy)) / 2), endS: timeS + random() * 3_600 });
    }
    return active.some((injection) => isAway(injection, timeS)) ? 0 : sum(jobs);
  });
}

function isActive({ fromDay, toDay }: Injection, timeS: number): boolean {
  return timeS >= fromDay * DAY_S && timeS < toDay * DAY_S;
}

function isAway(injection: Injection, timeS: number): boolean {
  if (injection.kind !== "deploys") return false;
  const sinceS = (timeS % DAY_S) - injection.hour * 3_600;
  return sinceS >= 0 && sinceS < injection.awayS;
}

function isLost(injection: Injection, timeS: number, pool: number, random: () => number): boolean {
  if (injection.kind === "misses") return random() < injection.chance;
  if (injection.kind !== "gaps" || (injection.pool ?? pool) !== pool) return false;
  return timeS % DAY_S >= 12 * 3_600 && timeS % DAY_S < (12 + injection.hours) * 3_600;
}

function timesOf(active: readonly Injection[], kind: "arrivals" | "sizes"): number {
  return active.reduce((product, each) => product * (each.kind === kind ? each.times : 1), 1);
}

/** 1 at noon, 0.2 at midnight. */
function hourFactor(timeS: number): number {
  return 0.6 - 0.4 * Math.cos((2 * Math.PI * (timeS % DAY_S)) / DAY_S);
}

function sum(jobs: readonly { gpus: number }[]): number {
  return jobs.reduce((total, { gpus }) => total + gpus, 0);
}

function exponential(mean: number, random: () => number): number {
  return -Math.log(1 - random()) * mean;
}

function poisson(mean: number, random: () => number): number {
  let count = 0;
  for (let product = random(); product > Math.exp(-mean); product *= random()) count++;
  return count;
}
