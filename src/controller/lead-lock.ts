import type { Settings } from "../config/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Candidate, LeaseStore } from "../store/lease-store.ts";

/** So often the lock's time without a renewal, and this process leads no more: a new one has new connections. */
const lapsedLocksMax = 10;

/**
 * The lock under which a controller leads. It counts, on this process's monotonic clock, from the sending of the last renewal
 * that Redis acknowledged, so that it lapses here before it does there: whoever comes next never leads beside this one. Where
 * nobody came, the next renewal takes it again: Redis knows by the reign.
 */
export class LeadLock {
  readonly #store: LeaseStore;
  readonly #candidate: Candidate;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #renewIntervalMs: number;
  readonly #heldMs: number;
  readonly #keptMs: number;
  #sentAtMs: number;

  /** `sentAtMs`: when the campaign was sent that was won; monotonic. */
  constructor(parts: {
    store: LeaseStore;
    candidate: Candidate;
    sentAtMs: number;
    clock: Clock;
    log: Logger;
    settings: Pick<Settings, "lead" | "terms">;
  }) {
    this.#store = parts.store;
    this.#candidate = parts.candidate;
    this.#sentAtMs = parts.sentAtMs;
    this.#clock = parts.clock;
    this.#log = parts.log;
    const { lead, terms } = parts.settings;
    this.#renewIntervalMs = lead.renewIntervalMs;
    this.#heldMs = lead.lockMs - terms.driftMs;
    this.#keptMs = lead.lockMs * lapsedLocksMax;
  }

  /** False: another may lead. */
  isHeld(): boolean {
    return this.#ageMs() < this.#heldMs;
  }

  /** Renews it until the signal aborts; where that fails for too long, the lead is lost. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = this.#watch(signal);
    while (!signal.aborted && this.#ageMs() < this.#keptMs) {
      const sentAtMs = this.#clock.monotonicMs();
      try {
        await this.renew();
      } catch (err) {
        this.#log.warn({ err }, "the lead's lock could not be renewed");
      }
      const spentMs = this.#clock.monotonicMs() - sentAtMs;
      await this.#clock.sleep(Math.max(0, this.#renewIntervalMs - spentMs), signal);
    }
    await watching;
  }

  /** Throws LEADERSHIP_LOST, REDIS_UNREACHABLE. */
  async renew(): Promise<void> {
    const sentAtMs = this.#clock.monotonicMs();
    await this.#store.holdLock(this.#candidate);
    this.#sentAtMs = sentAtMs;
  }

  async release(): Promise<void> {
    await this.#store.releaseLock(this.#candidate);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#ageMs() < this.#keptMs) {
      await this.#clock.sleep(this.#keptMs - this.#ageMs(), signal);
      // After a stall the answer may lie in the socket already.
      if (this.#ageMs() >= this.#keptMs) await this.#clock.turn();
    }
    if (!signal.aborted) this.#store.lose();
  }

  #ageMs(): number {
    return this.#clock.monotonicMs() - this.#sentAtMs;
  }
}
