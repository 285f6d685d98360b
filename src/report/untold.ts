import type { Account } from "../core/account.ts";
import { isLive } from "../core/lease.ts";
import type { LedgerEvent, StandingEvent, WrittenEvent } from "../core/ledger-event.ts";

/**
 * What books lack that began later than what stands, until a leader has told them all of it. A lease's step or a quarantine
 * that they read meanwhile is newer than what they are told of it: that was on its way for longer.
 */
export class Untold {
  /** By which the leader's answer is known. */
  readonly wish: string;
  readonly #steps = new Map<string, LedgerEvent & { type: "step" }>();
  readonly #quarantined = new Set<string>();

  constructor(wish: string) {
    this.wish = wish;
  }

  /** What is to be booked for the event. */
  read(event: WrittenEvent, { leases }: Pick<Account, "leases">): readonly LedgerEvent[] {
    if (event.type === "standing") return this.#isOurs(event) ? this.#told(event.event, leases) : [];
    if (event.type === "step") this.#steps.set(event.leaseId, event);
    if (event.type === "quarantine") this.#quarantined.add(event.device);
    return [event];
  }

  /** Whether all is told with it. */
  endsWith(event: WrittenEvent): boolean {
    return event.type === "standing" && event.event === null && this.#isOurs(event);
  }

  #isOurs({ wishes }: StandingEvent): boolean {
    return wishes.includes(this.wish);
  }

  #told(event: StandingEvent["event"], leases: Account["leases"]): readonly LedgerEvent[] {
    if (event === null) return [];
    switch (event.type) {
      case "quarantine":
        return this.#quarantined.has(event.device) ? [] : [event];
      case "step":
        return this.#steps.has(event.leaseId) ? [] : [event];
      case "lent": {
        const step = this.#steps.get(event.leaseId);
        if (leases.has(event.leaseId) || (step !== undefined && !isLive(step.state))) return [];
        return step === undefined ? [event] : [event, step];
      }
      default:
        return [event];
    }
  }
}

/** What is to be booked for the event where all is known that stood before. */
export function asTold(event: WrittenEvent): readonly LedgerEvent[] {
  return event.type === "standing" ? [] : [event];
}
