import type { Placement } from "../replay/cluster.ts";
import type { JobRules } from "../rules.ts";

/** What lending did beside owners' jobs, over any number of clusters; GPU-seconds and counts. */
export class JobTally {
  readonly #rules: JobRules;
  /** The time in which GPUs are lent, and in which what idles counts; jobs go on after it. */
  readonly #untilS: number;
  /** Of each job, by its number: when it began to run. */
  readonly beginS: Float64Array;
  idleS: number;
  lentS = 0;
  /** What guests ran beyond their starts, less what evictions took back. */
  usefulS = 0;
  /** What evicted guests ran since their last checkpoints. */
  lostS = 0;
  starts = 0;
  handBacks = 0;
  evictions = 0;
  /** That owners' jobs took while GPUs were lent; `evictions` of them met a guest. */
  gpusTaken = 0;
  /** Jobs that met a guest. */
  metJobs = 0;

  /** Of clusters with so many GPUs, from one time to another. */
  constructor(rules: JobRules, jobs: number, gpus: number, fromS: number, untilS: number) {
    this.#rules = rules;
    this.#untilS = untilS;
    this.beginS = new Float64Array(jobs);
    this.idleS = gpus * (untilS - fromS);
  }

  placed({ job, takenS, beginS, endS, gpus }: Placement): void {
    this.beginS[job.id] = beginS;
    this.idleS -= job.gpus * Math.max(0, Math.min(endS, this.#untilS) - takenS);
    if (takenS <= this.#untilS) this.gpusTaken += job.gpus;
    let met = 0;
    for (const { lentAtS } of gpus) {
      if (lentAtS === null) continue;
      met += 1;
      const ranS = this.#ran(takenS - lentAtS);
      const lostS = ranS % this.#rules.checkpointS;
      this.lostS += lostS;
      this.usefulS += ranS - lostS;
    }
    this.evictions += met;
    if (met > 0) this.metJobs += 1;
  }

  handedBack(lentAtS: number, atS: number): void {
    this.handBacks += 1;
    this.usefulS += this.#ran(atS - lentAtS);
  }

  #ran(lentS: number): number {
    this.starts += 1;
    this.lentS += lentS;
    return Math.max(0, lentS - this.#rules.startS);
  }
}
