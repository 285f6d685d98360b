import type { Scheduler } from "./scheduler.ts";

/** The clocks of one machine, which need not agree with anybody else's. */
export class Host {
  readonly name: string;
  readonly #scheduler: Scheduler;
  /** Ms of this machine in one ms of the world. */
  #rate = 1;
  #anchorMs = 0;
  #anchorLocalMs = 0;
  #wallOffsetMs: number;
  #bootedAtLocalMs = 0;
  #boots = 1;

  constructor(name: string, scheduler: Scheduler, epochMs: number) {
    this.name = name;
    this.#scheduler = scheduler;
    this.#wallOffsetMs = epochMs;
  }

  /** Counts on, whatever is done to the wall clock. */
  monotonicMs(): number {
    return this.#anchorLocalMs + (this.#scheduler.nowMs - this.#anchorMs) * this.#rate;
  }

  sinceBootMs(): number {
    return this.monotonicMs() - this.#bootedAtLocalMs;
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.monotonicMs());
  }

  get bootId(): string {
    return `${this.name}-boot-${this.#boots}`;
  }

  /** How long a span of this machine's time is in the world's. */
  toWorldMs(localMs: number): number {
    return localMs / this.#rate;
  }

  drift(rate: number): void {
    this.#anchorLocalMs = this.monotonicMs();
    this.#anchorMs = this.#scheduler.nowMs;
    this.#rate = rate;
  }

  /** Somebody sets the wall clock. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  reboot(): void {
    this.#boots += 1;
    this.#bootedAtLocalMs = this.monotonicMs();
  }
}
