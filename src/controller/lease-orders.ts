import { isLive } from "../core/lease.ts";
import type { Rung } from "../core/policy.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Fleet, LiveLease } from "./fleet.ts";

const reason = "the owner recalls the device";

/**
 * What takes a lease's devices back: told to its agent at once, and again to an agent that comes back, since nobody knows
 * what the end of a stream swallowed. Agents take the same order twice as once.
 */
export class LeaseOrders {
  readonly #fleet: Fleet;
  readonly #clock: Clock;

  constructor(fleet: Fleet, clock: Clock) {
    this.#fleet = fleet;
    this.#clock = clock;
  }

  recall(live: LiveLease, rung: Rung, recallId: string, deadlineMs: number): void {
    live.demands.set(recallId, { rung, endsAtMs: this.#clock.monotonicMs() + deadlineMs });
    this.#sendRecall(live, rung, recallId, deadlineMs);
  }

  /** For a Busy hint. */
  pause(live: LiveLease, hintTtlMs: number): void {
    live.demands.set("", { rung: "pause", endsAtMs: this.#clock.monotonicMs() + hintTtlMs });
    this.#sendPause(live, hintTtlMs);
  }

  /** Of a hint: the empty id. */
  withdraw(live: LiveLease, recallId: string): void {
    live.demands.delete(recallId);
    this.#sessionOf(live)?.command("withdraw", live.lease, { recallId });
  }

  cancel(live: LiveLease, noticeMs: number, why: string): void {
    live.cancel = { noticeMs, reason: why };
    this.#sendCancel(live);
  }

  repeat(live: LiveLease): void {
    if (!isLive(live.lease.state)) return;
    const nowMs = this.#clock.monotonicMs();
    for (const [recallId, { rung, endsAtMs }] of live.demands) {
      // A deadline that has passed is still a recall: the device is wanted, and at once.
      if (recallId !== "") this.#sendRecall(live, rung, recallId, Math.max(1, Math.round(endsAtMs - nowMs)));
      else if (endsAtMs > nowMs) this.#sendPause(live, Math.round(endsAtMs - nowMs));
    }
    this.#sendCancel(live);
  }

  #sendRecall(live: LiveLease, rung: Rung, recallId: string, deadlineMs: number): void {
    const session = this.#sessionOf(live);
    const demand = { recallId, deadlineMs, hintTtlMs: 0 };
    if (rung === "pause") session?.command("pause", live.lease, { demand });
    else if (rung === "vacate")
      session?.command("vacate", live.lease, { noticeMs: deadlineMs, demand, reason, early: false });
    else session?.command("kill", live.lease, { demand, reason });
  }

  #sendPause(live: LiveLease, hintTtlMs: number): void {
    const demand = { recallId: "", deadlineMs: 0, hintTtlMs };
    this.#sessionOf(live)?.command("pause", live.lease, { demand });
  }

  #sendCancel(live: LiveLease): void {
    if (live.cancel === null) return;
    this.#sessionOf(live)?.command("vacate", live.lease, { ...live.cancel, demand: undefined, early: false });
  }

  #sessionOf({ lease }: LiveLease) {
    return this.#fleet.agents.get(lease.host);
  }
}
