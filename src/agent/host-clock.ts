import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/**
 * The agent's clock: ms since the host's boot, running on while the host sleeps, and the same for an agent that was
 * restarted. Between two looks at /proc/uptime it follows the process's monotonic clock, which is finer but stops in sleep.
 */
export class HostClock {
  /** Times of another boot mean nothing in this one. */
  readonly bootId: string = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  readonly #uptimeFd = openSync("/proc/uptime", "r");
  readonly #buffer = Buffer.alloc(64);
  #offsetMs = 0;

  constructor() {
    this.#offsetMs = this.#uptimeMs() - performance.now();
  }

  nowMs(): number {
    return performance.now() + this.#offsetMs;
  }

  /** A time of the process's own monotonic clock, on this one. */
  fromProcessMs(monotonicMs: number): number {
    return monotonicMs + this.#offsetMs;
  }

  /** Catches up with a sleep of the host; to be called at an interval. Never goes back. */
  refresh(): void {
    const aheadMs = this.#uptimeMs() - this.nowMs();
    if (aheadMs > uptimeStepMs) this.#offsetMs += aheadMs;
  }

  close(): void {
    closeSync(this.#uptimeFd);
  }

  #uptimeMs(): number {
    const bytes = readSync(this.#uptimeFd, this.#buffer, 0, this.#buffer.length, 0);
    return Number.parseFloat(this.#buffer.toString("latin1", 0, bytes)) * 1_000;
  }
}

/** /proc/uptime is told in hundredths of a second. */
const uptimeStepMs = 20;
