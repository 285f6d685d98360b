import type { Clock } from "../../../src/runtime/clock.ts";
import type { Host } from "./host.ts";
import type { Cancel, Scheduler } from "./scheduler.ts";

/**
 * One life of a process, from its start to its end. Whatever it waits for (a timer, a message, the disk) comes through
 * `after`: so a process dies at any of its awaits, and what it was doing there is never carried on.
 */
export class Life {
  readonly host: Host;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  #state: "runs" | "stands still" | "is dead" = "runs";
  /** What came due while it stood still, in order. */
  readonly #held: (() => void)[] = [];
  readonly #mourners: (() => void)[] = [];
  /** Of sleeps: a signal that outlives this life would hold on to all of it. */
  readonly #deafen = new Set<() => void>();

  constructor(host: Host, scheduler: Scheduler) {
    this.host = host;
    this.#scheduler = scheduler;
    this.clock = {
      monotonicMs: () => host.monotonicMs(),
      wallMs: () => host.wallMs(),
      after: (ms, act) => this.after(host.toWorldMs(timerMs(ms)), act),
      turn: () => this.waits(0),
      sleep: (ms, signal) => this.#sleep(host.toWorldMs(timerMs(ms)), signal),
    };
  }

  get isDead(): boolean {
    return this.#state === "is dead";
  }

  /** Ms of the world. */
  after(ms: number, act: () => void): Cancel {
    return this.at(this.#scheduler.nowMs + ms, act);
  }

  /** A moment of the world. */
  at(atMs: number, act: () => void): Cancel {
    let isOff = false;
    const perform = () => {
      if (!isOff && !this.isDead) act();
    };
    const cancel = this.#scheduler.at(atMs, () => {
      if (this.#state === "stands still") this.#held.push(perform);
      else perform();
    });
    return () => {
      isOff = true;
      cancel();
    };
  }

  /** Resolves after as many ms of the world, in this life or never. */
  waits(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.after(ms, resolve);
    return promise;
  }

  /** Whoever is connected hears of it. */
  onDeath(mourn: () => void): void {
    this.#mourners.push(mourn);
  }

  kill(): void {
    if (this.isDead) return;
    this.#state = "is dead";
    this.#held.length = 0;
    for (const deafen of this.#deafen) deafen();
    this.#deafen.clear();
    for (const mourn of this.#mourners.splice(0)) mourn();
  }

  /** SIGSTOP. */
  stop(): void {
    if (!this.isDead) this.#state = "stands still";
  }

  /** SIGCONT: all that came due meanwhile comes now, each in a turn of its own. */
  resume(): void {
    if (this.#state !== "stands still") return;
    this.#state = "runs";
    for (const perform of this.#held.splice(0)) this.#scheduler.after(0, perform);
  }

  async #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return this.waits(0);
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.after(ms, resolve);
    const wake = () => resolve();
    const deafen = () => signal?.removeEventListener("abort", wake);
    this.#deafen.add(deafen);
    signal?.addEventListener("abort", wake, { once: true });
    await promise;
    this.#deafen.delete(deafen);
    deafen();
    cancel();
    return undefined;
  }
}

/** As Node's timers have it: whole ms, rounded down, and at least one. */
function timerMs(ms: number): number {
  return Math.max(1, Math.trunc(ms));
}
