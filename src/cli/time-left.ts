import { formatDuration } from "./duration.ts";
import { ProgressLine } from "./progress-line.ts";

const quickMs = 500;

/** A progress line with the time left, from the pace so far; never there for what is quick. */
export class TimeLeft {
  readonly #line = new ProgressLine();
  #beganMs = performance.now();

  /** `done`: 0–1; at 1 the line goes away and the pace is measured anew. `before`: what an earlier run had done already. */
  show(what: string, done: number, before = 0): void {
    const tookMs = performance.now() - this.#beganMs;
    if (done >= 1) this.end();
    else if (done > before && tookMs > quickMs)
      this.#line.show(
        `${what}: ${Math.floor(100 * done)} %, ${formatDuration((tookMs * (1 - done)) / (done - before))} left`,
      );
  }

  end(): void {
    this.#line.end();
    this.#beganMs = performance.now();
  }
}
