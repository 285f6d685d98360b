import { GleanerError } from "../../errors/gleaner-error.ts";
import type { JobTrace } from "../trace/job-trace.ts";

const gpusMax = 1_000_000;

export interface ClusterSize {
  readonly pool: string;
  readonly gpus: number;
  /** As it came out: less than was asked for where the largest job needs more GPUs, or the last did not fill. */
  readonly load: number;
}

/** For each pool the fewest GPUs on which owners' jobs are at most that load, and each job fits. Throws COMMAND_INVALID where that is more than a million. */
export function clusterSizes(
  { pools, submitS, durationS, gpus, pool }: JobTrace,
  load: number,
): ClusterSize[] {
  const spanS = submitS.at(-1)! - submitS[0]!;
  const workS = new Float64Array(pools.length);
  const largest = new Float64Array(pools.length);
  for (const [job, index] of pool.entries()) {
    workS[index]! += gpus[job]! * durationS[job]!;
    largest[index] = Math.max(largest[index]!, gpus[job]!);
  }
  return pools.map((name, index) => {
    const busy = spanS > 0 ? workS[index]! / spanS : 0;
    const size = Math.max(largest[index]!, Math.ceil(busy / load));
    if (size > gpusMax)
      throw new GleanerError("COMMAND_INVALID", {
        problem: `a load of ${load} takes ${size} GPUs for pool ${name}; at most ${gpusMax} are played`,
        command: "backtest",
      });
    return { pool: name, gpus: size, load: busy / size };
  });
}
