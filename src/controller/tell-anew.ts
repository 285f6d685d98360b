import type { Clock } from "../runtime/clock.ts";
import type { Fleet } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import { Slices } from "./slices.ts";

/** Devices and leases written before Redis must have them: the journal's backlog is bounded. */
const writtenMax = 10_000;

/** Writes what stands now for books that began anew: devices, their owners, and what is lent. */
export async function tellAnew(parts: {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly journal: Journal;
  readonly clock: Clock;
}): Promise<void> {
  const { fleet, signals, journal, clock } = parts;
  const slices = new Slices(clock);
  let written = 0;
  const breathe = async () => {
    written += 1;
    if (written % writtenMax === 0) await journal.flush();
    await slices.breathe();
  };

  for (const { info, tracker, quarantine, writtenUnlentReason } of fleet.devices.values()) {
    const device = info.uuid;
    const atMs = clock.wallMs();
    const { state, reason } = tracker.at(clock.monotonicMs());
    journal.write({ type: "device", atMs, device: info, owner: signals.policyOf(info.pool).owner });
    journal.write({ type: "owner", atMs, device, state, reason });
    if (writtenUnlentReason !== "")
      journal.write({ type: "unlent", atMs, device, reason: writtenUnlentReason });
    if (quarantine !== null) journal.write({ type: "quarantine", atMs, device, reason: quarantine });
    await breathe();
  }

  for (const { lease } of fleet.leases.values()) {
    const { id: leaseId, guestId, tenant, attempt, grants, state } = lease;
    const atMs = clock.wallMs();
    const reason = "books begun anew";
    journal.write({ type: "guest", atMs, guestId, tenant, state: "waiting", reason });
    journal.write({
      type: "lent",
      atMs,
      leaseId,
      guestId,
      tenant,
      attempt,
      grants,
      reason,
      forecastHash: "",
    });
    if (state !== "starting")
      journal.write({
        type: "step",
        atMs,
        leaseId,
        state,
        mover: "controller",
        detail: reason,
        signalToStepMs: null,
        recallId: "",
        settlement: null,
      });
    await breathe();
  }
}
