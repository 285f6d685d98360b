import type { DeviceUuid } from "../core/device.ts";
import type { LedgerEvent } from "../core/ledger-event.ts";
import { isLive } from "../core/lease.ts";
import type { ReturnRung } from "./report.ts";

export type CountName =
  | "leases"
  | "evictions"
  | "meetings"
  | "returns"
  | "met_returns"
  | "deadlines_missed"
  | `return_${ReturnRung}`;

/** Something that is counted, on a device and for the tenant whose guest it met. */
export interface Count {
  readonly atMs: number;
  readonly name: CountName;
  readonly device: DeviceUuid;
  readonly tenant: string;
}

/** What an owner waited: until the compute was back, or until the device was released. */
export interface Wait {
  readonly atMs: number;
  readonly stage: "compute" | "release";
  readonly device: DeviceUuid;
  readonly tenant: string;
  readonly ms: number;
}

/** What must be remembered of a live lease to understand its later steps. Plain, so that it can be saved. */
export interface LeaseFacts {
  readonly id: string;
  readonly guestId: string;
  readonly tenant: string;
  /** The first of its devices: a lease counts once, there. */
  readonly device: DeviceUuid;
  /** The owner has the compute since the last pause. */
  frozen: boolean;
  killed: boolean;
  /** The owner is back since then, not by an explicit recall. */
  returnedAtMs: number | null;
}

export interface Facts {
  readonly counts: readonly Count[];
  readonly waits: readonly Wait[];
}

const nothing: Facts = { counts: [], waits: [] };

/**
 * What an event says of owners' returns. Keeps `leases` up to date. Each return counts once, by the highest rung that it
 * needed: a pause that the pause budget turned into a vacate counts as a vacate.
 */
export function factsOf(event: LedgerEvent, leases: Map<string, LeaseFacts>): Facts {
  switch (event.type) {
    case "lent": {
      const device = event.grants[0]?.device;
      if (device === undefined || leases.has(event.leaseId)) return nothing;
      const { leaseId: id, guestId, tenant, atMs } = event;
      leases.set(id, { id, guestId, tenant, device, frozen: false, killed: false, returnedAtMs: null });
      return { counts: [{ atMs, name: "leases", device, tenant }], waits: [] };
    }
    case "step": {
      const lease = leases.get(event.leaseId);
      if (lease === undefined) return nothing;
      if (!isLive(event.state)) leases.delete(lease.id);
      return stepFacts(event, lease);
    }
    case "meeting": {
      const { atMs, device, leaseId } = event;
      return {
        counts: [{ atMs, name: "meetings", device, tenant: leases.get(leaseId)?.tenant ?? "" }],
        waits: [],
      };
    }
    case "recalled": {
      const { atMs, device, leaseId } = event;
      const count = { atMs, device, tenant: leases.get(leaseId)?.tenant ?? "" };
      if (event.stage === "deadline_missed")
        return { counts: [{ ...count, name: "deadlines_missed" }], waits: [] };
      // A recall that found no guest served nobody.
      if (event.stage !== "released" || leaseId === "") return nothing;
      return { counts: [{ ...count, name: "return_recall" }], waits: [] };
    }
    default:
      return nothing;
  }
}

function stepFacts(event: LedgerEvent & { type: "step" }, lease: LeaseFacts): Facts {
  const { atMs, state, signalToStepMs } = event;
  const where = { device: lease.device, tenant: lease.tenant };
  const counts: Count[] = [];
  const waits: Wait[] = [];
  const waited = (stage: Wait["stage"]) => {
    if (signalToStepMs !== null) waits.push({ atMs, stage, ...where, ms: signalToStepMs });
  };
  const served = (rung: ReturnRung) =>
    counts.push({ atMs: lease.returnedAtMs ?? atMs, name: `return_${rung}`, ...where });
  const byOwner = signalToStepMs !== null && event.recallId === "";

  switch (state) {
    case "starting":
    case "vacating":
      break;
    case "killing":
      lease.killed = true;
      break;
    case "paused":
      if (!lease.frozen) waited("compute");
      lease.frozen = true;
      if (byOwner) lease.returnedAtMs ??= atMs;
      break;
    case "running":
      if (lease.returnedAtMs !== null) served("pause");
      lease.returnedAtMs = null;
      lease.frozen = false;
      break;
    case "released":
      if (!lease.frozen) waited("compute");
      waited("release");
      // An explicit recall counts by itself; a guest that left by itself was not made to.
      if (byOwner || (lease.returnedAtMs !== null && event.recallId === "" && event.mover !== "guest"))
        served(lease.killed ? "kill" : "vacate");
      else if (lease.returnedAtMs !== null) served("pause");
      break;
    case "quarantined":
      if (lease.returnedAtMs !== null) served("pause");
      break;
  }
  if (event.settlement?.outcome === "evicted") counts.push({ atMs, name: "evictions", ...where });
  return { counts, waits };
}
