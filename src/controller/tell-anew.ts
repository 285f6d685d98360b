import type { StandingEvent } from "../core/ledger-event.ts";
import type { Clock } from "../runtime/clock.ts";
import type { LedgerStream } from "../store/ledger-stream.ts";
import type { Fleet } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import { Slices } from "./slices.ts";

/** Devices and leases written before Redis must have them: the journal's backlog is bounded. */
const writtenMax = 10_000;

interface TellAnewParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly stream: LedgerStream;
  readonly journal: Journal;
  readonly clock: Clock;
}

/**
 * Writes what stands now for books, any controller's, that began after it and wish to know: devices, their owners, and what
 * is lent. To be asked again and again; each wish is heard once.
 */
export class TellAnew {
  readonly #parts: TellAnewParts;
  #heard: readonly string[] = [];

  constructor(parts: TellAnewParts) {
    this.#parts = parts;
  }

  /** Throws REDIS_UNREACHABLE. */
  async look(): Promise<void> {
    const wishes = await this.#parts.stream.wishes();
    const fresh = wishes.filter((wish) => !this.#heard.includes(wish));
    this.#heard = wishes;
    if (fresh.length > 0) await this.#tell(fresh);
  }

  async #tell(wishes: readonly string[]): Promise<void> {
    const { journal, clock } = this.#parts;
    const slices = new Slices(clock);
    let written = 0;
    for (const events of [this.#devices(), this.#leases()])
      for (const event of events) {
        journal.write({ type: "standing", atMs: clock.wallMs(), wishes, event });
        written += 1;
        if (written % writtenMax === 0) await journal.flush();
        await slices.breathe();
      }
    journal.write({ type: "standing", atMs: clock.wallMs(), wishes, event: null });
  }

  *#devices(): Generator<NonNullable<StandingEvent["event"]>> {
    const { fleet, signals, clock } = this.#parts;
    for (const { info, tracker, quarantine, writtenUnlentReason } of fleet.devices.values()) {
      const device = info.uuid;
      const atMs = clock.wallMs();
      const { state, reason } = tracker.at(clock.monotonicMs());
      yield { type: "device", atMs, device: info, owner: signals.policyOf(info.pool).owner };
      yield { type: "owner", atMs, device, state, reason };
      if (writtenUnlentReason !== "") yield { type: "unlent", atMs, device, reason: writtenUnlentReason };
      if (quarantine !== null) yield { type: "quarantine", atMs, device, reason: quarantine };
    }
  }

  *#leases(): Generator<NonNullable<StandingEvent["event"]>> {
    const { fleet, clock } = this.#parts;
    for (const { lease } of fleet.leases.values()) {
      const { id: leaseId, guestId, tenant, attempt, grants, state } = lease;
      const atMs = clock.wallMs();
      const reason = "books begun anew";
      yield { type: "lent", atMs, leaseId, guestId, tenant, attempt, grants, reason, forecastHash: "" };
      if (state !== "starting")
        yield {
          type: "step",
          atMs,
          leaseId,
          state,
          mover: "controller",
          detail: reason,
          signalToStepMs: null,
          recallId: "",
          settlement: null,
        };
    }
  }
}
