import type { WaitingGuest } from "../core/guest.ts";
import type { Lease } from "../core/lease.ts";
import type { Breaker } from "../core/breaker.ts";
import type { MeetingsMeter } from "../core/meetings-meter.ts";
import { isLendWindowOpen } from "../core/policy-window.ts";
import type { DeviceView, PoolView, Snapshot } from "../core/snapshot.ts";
import type { Forecaster } from "../core/survival.ts";
import type { Settings } from "../config/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import { weekMinuteIn } from "../runtime/local-time.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { OwnerWatch } from "./owner-watch.ts";
import type { TenantUses } from "./tenant-uses.ts";

const noLeases: readonly Lease[] = [];

interface SnapshotsParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly owners: OwnerWatch;
  readonly forecaster: Forecaster;
  readonly breaker: Breaker;
  readonly meetings: MeetingsMeter;
  readonly tenants: TenantUses;
  readonly settings: Settings;
  readonly clock: Clock;
}

/** Makes the plain input of a cycle from the live view. A device of which nothing changed is handed in as the same object. */
export class Snapshots {
  readonly #parts: SnapshotsParts;
  readonly #views = new WeakMap<Device, DeviceView>();

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
  }

  take(guests: readonly WaitingGuest[]): Snapshot {
    const { fleet, signals, owners, settings, clock, tenants } = this.#parts;
    const nowMs = clock.monotonicMs();
    signals.expire();
    const pools = new Map<string, PoolView>();
    const devices: DeviceView[] = [];
    for (const device of fleet.devices.values()) {
      const { pool } = device.info;
      let view = pools.get(pool);
      if (view === undefined) pools.set(pool, (view = this.#pool(pool, nowMs)));
      owners.sweep(device, nowMs);
      devices.push(this.#device(device, view, nowMs));
    }
    return {
      nowMs,
      devices,
      pools,
      guests,
      tenants: tenants.uses(guests),
      limits: { lendsMax: settings.cycle.lendsMax },
    };
  }

  #pool(pool: string, nowMs: number): PoolView {
    const { signals, meetings, fleet, clock } = this.#parts;
    const policy = signals.policyOf(pool);
    const limit = { devices: fleet.devicesIn(pool), meetingsPerGpuDayMax: policy.meetingsPerGpuDayMax };
    const wallMs = clock.wallMs();
    return {
      policy,
      windowOpen: isLendWindowOpen(policy.windows, (timeZone) => weekMinuteIn(timeZone, wallMs)),
      meetingsAllowed: meetings.lendingAllowed(pool, limit, nowMs),
    };
  }

  #device(device: Device, { policy }: PoolView, nowMs: number): DeviceView {
    const { forecaster, breaker, signals, fleet } = this.#parts;
    const { info } = device;
    const owner = device.tracker.at(nowMs);
    const resting = device.recalls.size > 0 || nowMs < device.restUntilMs;
    const factor = breaker.requiredIdleFactor(info.uuid, policy.owner, info.pool, nowMs);
    const next: DeviceView = {
      info,
      owner: owner.state,
      ownerReason: owner.reason,
      ownerSinceMs: owner.sinceMs,
      curve: owner.state === "idle" ? forecaster.curve(info.pool, Math.max(0, nowMs - owner.sinceMs)) : null,
      leases: device.leases.size === 0 ? noLeases : [...device.leases.values()].map(({ lease }) => lease),
      quarantineReason: device.quarantine,
      heldBy: signals.standsAgainst(info) ?? (resting ? "cool_down" : null),
      requiredIdleMs: policy.idleMsMin * factor,
      memoryUsedByOwnerMib: device.ownerMemoryMib,
      agentConnected: fleet.agentOf(device) !== undefined,
    };
    const before = this.#views.get(device);
    if (before !== undefined && isSame(before, next)) return before;
    this.#views.set(device, next);
    return next;
  }
}

function isSame(a: DeviceView, b: DeviceView): boolean {
  return (
    a.info === b.info &&
    a.owner === b.owner &&
    a.ownerSinceMs === b.ownerSinceMs &&
    a.curve === b.curve &&
    a.quarantineReason === b.quarantineReason &&
    a.heldBy === b.heldBy &&
    a.requiredIdleMs === b.requiredIdleMs &&
    a.memoryUsedByOwnerMib === b.memoryUsedByOwnerMib &&
    a.agentConnected === b.agentConnected &&
    a.ownerReason === b.ownerReason &&
    a.leases.length === b.leases.length &&
    a.leases.every((lease, index) => lease === b.leases[index])
  );
}
