/**
 * Measures for how long at most the thread was kept from everything else between two turns of its event loop: by the clock, and by
 * the processor time that the thread itself spent, which the machine's other work does not touch.
 */
export class BlockMeter {
  #last = now();
  #worstMs = 0;
  #worstCpuMs = 0;
  #isRunning = true;

  /** Looks in every turn of the loop, which then never rests, or every so many ms. */
  constructor(everyMs = 0) {
    const again = () => (everyMs === 0 ? setImmediate(look) : setTimeout(look, everyMs));
    const look = () => {
      this.#look();
      if (this.#isRunning) again();
    };
    again();
  }

  /** Stops and answers. */
  stop(): { readonly blockMs: number; readonly blockCpuMs: number } {
    this.#isRunning = false;
    this.#look();
    return { blockMs: this.#worstMs, blockCpuMs: this.#worstCpuMs };
  }

  #look(): void {
    const { ms, cpuMs } = now();
    this.#worstMs = Math.max(this.#worstMs, ms - this.#last.ms);
    this.#worstCpuMs = Math.max(this.#worstCpuMs, cpuMs - this.#last.cpuMs);
    this.#last = { ms, cpuMs };
  }
}

function now() {
  const { user, system } = process.threadCpuUsage();
  return { ms: performance.now(), cpuMs: (user + system) / 1_000 };
}
