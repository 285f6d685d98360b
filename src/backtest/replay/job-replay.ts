import type { PoolPolicy, PoolSample } from "../policy.ts";
import type { JobRules } from "../rules.ts";
import { JobTally } from "../score/job-tally.ts";
import type { JobTrace } from "../trace/job-trace.ts";
import { Cluster } from "./cluster.ts";
import type { IdleEnd } from "./free-gpus.ts";

/**
 * Serves the jobs, each pool's on a cluster of so many GPUs, with guests on those that the policy lends; null: without lending.
 * The policy is asked every `tickS` up to the last submission, and says how many of a pool's idle GPUs are lent and from which end.
 */
export function replayJobs(
  trace: JobTrace,
  gpusOf: readonly number[],
  rules: JobRules,
  takes: IdleEnd,
  policy: PoolPolicy | null,
  onProgress: (part: number) => void,
): JobTally {
  const [fromS, untilS] = [trace.submitS[0]!, trace.submitS.at(-1)!];
  const gpus = gpusOf.reduce((sum, count) => sum + count, 0);
  const tally = new JobTally(rules, trace.submitS.length, gpus, fromS, untilS);
  const sites = trace.pools.map((pool, index) => new Site(pool, gpusOf[index]!, rules, takes, tally));
  const byPool = new Map(sites.map((site) => [site.pool, site]));
  let next = 0;
  const submitUpTo = (timeS: number) => {
    for (; next < trace.submitS.length && trace.submitS[next]! <= timeS; next++)
      sites[trace.pool[next]!]!.cluster.submit(
        { id: next, gpus: trace.gpus[next]!, durationS: trace.durationS[next]! },
        trace.submitS[next]!,
      );
  };
  if (policy !== null)
    for (let tick = 0, timeS = fromS; timeS < untilS; timeS = fromS + ++tick * rules.tickS) {
      submitUpTo(timeS);
      const samples = sites.map((site) => site.sample(timeS));
      for (const { pool, lent, lends } of policy.decide({ timeS, samples }))
        byPool.get(pool)!.lend(lent, timeS, lends ?? "longest_idle");
      if (tick % 256 === 0) onProgress((timeS - fromS) / (untilS - fromS));
    }
  submitUpTo(untilS);
  for (const site of sites) site.finish(untilS);
  return tally;
}

/** One pool's cluster, and its guests. */
class Site {
  readonly pool: string;
  readonly cluster: Cluster;
  readonly #gpus: number;
  readonly #tally: JobTally;
  #lends: IdleEnd = "longest_idle";
  #taken = 0;
  /** Summed over those. */
  #places = 0;
  #evicted = 0;
  #seen = false;

  constructor(pool: string, gpus: number, { vacateS }: JobRules, takes: IdleEnd, tally: JobTally) {
    this.pool = pool;
    this.#gpus = gpus;
    this.#tally = tally;
    this.cluster = new Cluster(gpus, takes, vacateS, (placement) => {
      this.#taken += placement.gpus.length;
      this.#places += placement.gpus.length * placement.place;
      this.#evicted += placement.gpus.filter(({ lentAtS }) => lentAtS !== null).length;
      tally.placed(placement);
    });
  }

  /** Free GPUs that a waiting job is after are not idle, and given up before it comes. */
  sample(timeS: number): PoolSample {
    this.cluster.advance(timeS);
    const { gpusFree, gpusPending } = this.cluster;
    const gpusBusy = this.#gpus - gpusFree;
    const demand = Math.min(this.#gpus, gpusBusy + gpusPending);
    const idle = this.#gpus - demand;
    if (this.cluster.gpusLent > idle) this.lend(idle, timeS, this.#lends);
    const [taken, evicted] = [this.#taken, this.#evicted];
    const takenPlace = taken > 0 ? this.#places / taken : null;
    const afterGap = !this.#seen;
    this.#taken = 0;
    this.#places = 0;
    this.#evicted = 0;
    this.#seen = true;
    const lent = this.cluster.gpusLent;
    return {
      pool: this.pool,
      gpusTotal: this.#gpus,
      gpusBusy,
      gpusPending,
      demand,
      idle,
      lent,
      evicted,
      taken,
      takenPlace,
      afterGap,
    };
  }

  lend(level: number, atS: number, end: IdleEnd): void {
    if (!(Number.isInteger(level) && level >= 0 && level <= this.cluster.gpusFree))
      throw new Error(`a policy lends ${level} GPUs of pool ${this.pool} at ${atS} s`);
    this.#lends = end;
    for (const lentAtS of this.cluster.lend(level, atS, end)) this.#tally.handedBack(lentAtS, atS);
  }

  finish(atS: number): void {
    this.cluster.advance(atS);
    this.lend(0, atS, this.#lends);
    this.cluster.advance(Infinity);
  }
}
