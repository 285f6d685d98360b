import { Heap } from "../../core/heap.ts";
import { FreeGpus, type FreeGpu, type IdleEnd } from "./free-gpus.ts";

/** An owner's job; `id` rises with submission. */
export interface ClusterJob {
  readonly id: number;
  readonly gpus: number;
  readonly durationS: number;
}

export interface Placement {
  readonly job: ClusterJob;
  /** From when on it holds its GPUs. */
  readonly takenS: number;
  /** From when on it runs: later, where it had to wait for guests to leave. */
  readonly beginS: number;
  readonly endS: number;
  /** As they were until then. */
  readonly gpus: readonly FreeGpu[];
  /** Where they stood among the free ones in the mean: 0 idle longest … 1 shortest. */
  readonly place: number;
}

/** A cluster that serves owners' jobs first come, first served, whether its free GPUs are lent or not: nothing overtakes the head of the queue. */
export class Cluster {
  readonly #takes: IdleEnd;
  readonly #vacateS: number;
  readonly #onPlaced: (placement: Placement) => void;
  readonly #free: FreeGpus;
  readonly #running = new Heap<Placement>(endsBefore);
  #waiting: ClusterJob[] = [];
  #head = 0;
  #gpusPending = 0;

  /** A job whose GPUs are not all free of guests begins `vacateS` later: they leave side by side. */
  constructor(gpus: number, takes: IdleEnd, vacateS: number, onPlaced: (placement: Placement) => void) {
    this.#free = new FreeGpus(gpus);
    this.#takes = takes;
    this.#vacateS = vacateS;
    this.#onPlaced = onPlaced;
  }

  get gpusFree(): number {
    return this.#free.count;
  }

  /** That waiting jobs ask for. */
  get gpusPending(): number {
    return this.#gpusPending;
  }

  get gpusLent(): number {
    return this.#free.lent;
  }

  /** Times rise, over both of these; a job asks for at most as many GPUs as there are. */
  submit(job: ClusterJob, atS: number): void {
    this.advance(atS);
    this.#waiting.push(job);
    this.#gpusPending += job.gpus;
    this.#place(atS);
  }

  /** Ends what ends up to a time, and begins what can begin then. */
  advance(toS: number): void {
    for (let first = this.#running.first; first !== undefined && first.endS <= toS;) {
      const atS = first.endS;
      for (; first?.endS === atS; first = this.#running.first) {
        for (const { gpu } of first.gpus) this.#free.add(gpu);
        this.#running.removeFirst();
      }
      this.#place(atS);
      first = this.#running.first;
    }
  }

  /** At most as many as are free. -> since when each guest that was handed back ran. */
  lend(level: number, atS: number, end: IdleEnd): number[] {
    return this.#free.lend(level, atS, end);
  }

  #place(takenS: number): void {
    for (let job = this.#waiting[this.#head]; job !== undefined; job = this.#waiting[this.#head]) {
      if (job.gpus > this.#free.count) return;
      this.#head += 1;
      this.#gpusPending -= job.gpus;
      const place = meanPlace(job.gpus, this.#free.count, this.#takes);
      const gpus = this.#free.take(job.gpus, this.#takes);
      const beginS = takenS + (gpus.some(({ lentAtS }) => lentAtS !== null) ? this.#vacateS : 0);
      const placement = { job, takenS, beginS, endS: beginS + job.durationS, gpus, place };
      this.#running.add(placement);
      this.#onPlaced(placement);
    }
    this.#waiting = [];
    this.#head = 0;
  }
}

function meanPlace(taken: number, free: number, end: IdleEnd): number {
  const fromTheEnd = free > 1 ? (taken - 1) / 2 / (free - 1) : 0.5;
  return end === "longest_idle" ? fromTheEnd : 1 - fromTheEnd;
}

function endsBefore(one: Placement, other: Placement): boolean {
  return one.endS < other.endS || (one.endS === other.endS && one.job.id < other.job.id);
}
