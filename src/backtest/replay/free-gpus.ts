/** Of the free GPUs those that idle longest, or shortest: what an owner's job takes, and what is lent. */
export type IdleEnd = "longest_idle" | "shortest_idle";

export interface FreeGpu {
  readonly gpu: number;
  /** Since when it is lent; null: it is not. */
  lentAtS: number | null;
}

/** Free GPUs of a cluster by the time for which they idle, the longest first. */
export class FreeGpus {
  /** Before `#head`: taken. */
  #gpus: FreeGpu[];
  #head = 0;
  #lent = 0;

  constructor(count: number) {
    this.#gpus = Array.from({ length: count }, (_, gpu) => ({ gpu, lentAtS: null }));
  }

  get count(): number {
    return this.#gpus.length - this.#head;
  }

  get lent(): number {
    return this.#lent;
  }

  /** That has just become free. */
  add(gpu: number): void {
    this.#gpus.push({ gpu, lentAtS: null });
  }

  /** At most as many as are free. */
  take(count: number, end: IdleEnd): FreeGpu[] {
    const taken = end === "shortest_idle" ? this.#gpus.splice(this.#gpus.length - count) : this.#shift(count);
    for (const { lentAtS } of taken) if (lentAtS !== null) this.#lent -= 1;
    return taken;
  }

  /** Lends so many in all from one end and hands back what else is lent. -> since when each that was handed back was lent. */
  lend(level: number, atS: number, end: IdleEnd): number[] {
    const first = end === "longest_idle" ? this.#head : this.#gpus.length - level;
    const handedBack: number[] = [];
    for (let place = this.#head; place < this.#gpus.length; place++) {
      const gpu = this.#gpus[place]!;
      const isLent = place >= first && place < first + level;
      if (gpu.lentAtS !== null && !isLent) handedBack.push(gpu.lentAtS);
      if (!isLent) gpu.lentAtS = null;
      else gpu.lentAtS ??= atS;
    }
    this.#lent = level;
    return handedBack;
  }

  #shift(count: number): FreeGpu[] {
    const taken = this.#gpus.slice(this.#head, this.#head + count);
    this.#head += count;
    if (2 * this.#head > this.#gpus.length) {
      this.#gpus = this.#gpus.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
