/** Which of the free GPUs an owner's job takes. */
export type OwnerTakes = "longest_idle" | "shortest_idle";

export interface FreeGpu {
  readonly gpu: number;
  /** Since when it is lent; null: it is not. */
  lentAtS: number | null;
}

/** Free GPUs of a cluster by the time for which they idle, the longest first; those that idle longest are the lent ones. */
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
  take(count: number, which: OwnerTakes): FreeGpu[] {
    if (which === "shortest_idle") {
      const taken = this.#gpus.splice(this.#gpus.length - count, count);
      this.#lent = Math.min(this.#lent, this.count);
      return taken;
    }
    const taken = this.#gpus.slice(this.#head, this.#head + count);
    this.#head += count;
    this.#lent = Math.max(0, this.#lent - count);
    if (2 * this.#head > this.#gpus.length) {
      this.#gpus = this.#gpus.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  /** Lends up to so many in all, or hands back what is beyond it. -> since when each that was handed back was lent. */
  lend(level: number, atS: number): number[] {
    const handedBack: number[] = [];
    for (; this.#lent > level; this.#lent--) {
      const last = this.#gpus[this.#head + this.#lent - 1]!;
      handedBack.push(last.lentAtS!);
      last.lentAtS = null;
    }
    for (; this.#lent < level; this.#lent++) this.#gpus[this.#head + this.#lent]!.lentAtS = atS;
    return handedBack;
  }
}
