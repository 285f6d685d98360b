import type { PoolPolicy, PoolSample } from "../policy.ts";
import type { PoolRules } from "../rules.ts";
import { demandOf, idleOf } from "../score/pool-series.ts";
import type { PoolTrace } from "../trace/pool-trace.ts";
import { UsualStep } from "./usual-step.ts";

export interface PoolDecision {
  readonly timeS: number;
  readonly pool: string;
  /** From here on, GPUs. */
  readonly lent: number;
  readonly reason: string;
}

/** Plays a policy over a trace on the trace's own clock: the lines that say each change of its levels. `onProgress` as with devices. */
export function replayPools(
  trace: PoolTrace,
  rules: PoolRules,
  policy: PoolPolicy,
  onProgress: (part: number) => void,
): PoolDecision[] {
  const pools = new Map(trace.pools.map((pool) => [pool, new PoolLevel(rules)]));
  const decisions: PoolDecision[] = [];
  for (const [moment, timeS] of trace.timesS.entries()) {
    const samples: PoolSample[] = [];
    for (let row = trace.firstRow[moment]!; row < trace.firstRow[moment + 1]!; row++)
      samples.push(sampleOf(trace, row, timeS, pools));
    for (const { pool, lent, reason } of policy.decide({ timeS, samples })) {
      const level = pools.get(pool);
      if (level === undefined || level.timeS !== timeS || !(Number.isInteger(lent) && lent >= 0))
        throw new Error(`a policy lends ${lent} GPUs of pool ${pool} at ${timeS} s`);
      if (level.set(lent)) decisions.push({ timeS, pool, lent, reason });
    }
    if (moment % 256 === 0) onProgress(moment / trace.timesS.length);
  }
  return decisions;
}

function sampleOf(
  trace: PoolTrace,
  row: number,
  timeS: number,
  pools: ReadonlyMap<string, PoolLevel>,
): PoolSample {
  const pool = trace.pools[trace.pool[row]!]!;
  const gpusTotal = trace.gpusTotal[row]!;
  const gpusBusy = trace.gpusBusy[row]!;
  const gpusPending = trace.gpusPending[row]!;
  const demand = demandOf(gpusTotal, gpusBusy, gpusPending);
  const idle = idleOf(gpusTotal, demand);
  const level = pools.get(pool)!.observe(timeS, idle);
  return { pool, gpusTotal, gpusBusy, gpusPending, demand, idle, ...level, taken: null, takenPlace: null };
}

/** How many GPUs of one pool are lent, as far as can be known at the time. */
class PoolLevel {
  timeS = -Infinity;
  readonly #step: UsualStep;
  #lent = 0;
  #idle = 0;
  /** A line is written although it repeats the level: what the level is hangs on what counts as a gap in the end. */
  #uncertain = true;

  constructor({ gapSteps }: PoolRules) {
    this.#step = new UsualStep(gapSteps);
  }

  observe(timeS: number, idle: number): Pick<PoolSample, "lent" | "evicted" | "afterGap"> {
    const step = this.#step.next(timeS);
    const afterGap = step === "gap" || step === "first";
    const came = afterGap ? 0 : this.#lent;
    this.timeS = timeS;
    this.#lent = Math.min(came, idle);
    this.#idle = idle;
    this.#uncertain = step !== "usual";
    return { lent: this.#lent, evicted: came - this.#lent, afterGap };
  }

  /** Whether that needs a line. */
  set(lent: number): boolean {
    const said = lent !== this.#lent || this.#uncertain;
    this.#lent = Math.min(lent, this.#idle);
    return said;
  }
}
