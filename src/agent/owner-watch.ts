import type { DeviceUuid, Sample } from "../core/device.ts";
import { OwnerTracker } from "../core/idleness.ts";
import type { Logger } from "../runtime/log.ts";
import type { HostClock } from "./host-clock.ts";
import type { LeaseTable } from "./lease/lease-table.ts";
import type { LeaseRunner } from "./lease/lease-runner.ts";
import type { Pools } from "./pools.ts";

/** What is known of the owner of one device. */
interface OwnedDevice {
  readonly tracker: OwnerTracker;
  /** The owner works, or cannot be excluded; stays until the owner is seen idle. */
  active: boolean;
  /** When the owner was last known not to work; the start of the watch where nothing is known. */
  lastIdleAtMs: number;
}

interface OwnerWatchParts {
  readonly table: LeaseTable;
  readonly pools: Pools;
  readonly clock: HostClock;
  readonly logger: Logger;
  readonly staleMs: number;
}

/** Owner first: what a sample shows of the owner reaches the guest at once, before anybody else is asked or told. */
export class OwnerWatch {
  readonly #parts: OwnerWatchParts;
  readonly #devices = new Map<DeviceUuid, OwnedDevice>();

  constructor(parts: OwnerWatchParts) {
    this.#parts = parts;
  }

  /** `sample.atMs` is on the process's clock, as sources give it. */
  take(sample: Sample): void {
    const { table, clock, staleMs } = this.#parts;
    const nowMs = clock.nowMs();
    const holding = table.holding(sample.device);
    const device = this.#device(sample.device);
    const { state, reason } = device.tracker.observe(
      { ...sample, atMs: clock.fromProcessMs(sample.atMs) },
      { nowMs, staleMs, leased: holding.length > 0 },
    );
    if (state === "idle") device.lastIdleAtMs = nowMs;
    if (state !== "unknown") this.#set(sample.device, device, state === "busy", reason);
  }

  /** Unknown is busy (I6): where telemetry has been silent for too long, the guest stands still. */
  checkSilence(): void {
    const { table, clock, staleMs } = this.#parts;
    const nowMs = clock.nowMs();
    for (const uuid of table.lentDevices()) {
      const device = this.#device(uuid);
      const { state, reason } = device.tracker.at(nowMs);
      if (state === "unknown" && nowMs - device.lastIdleAtMs > staleMs) this.#set(uuid, device, true, reason);
    }
  }

  /** Why nothing may be started on the device; null: its owner is known to be idle. */
  obstacle(uuid: DeviceUuid): string | null {
    const { state, reason } = this.#device(uuid).tracker.at(this.#parts.clock.nowMs());
    return state === "idle" ? null : `the owner is ${state} (${reason})`;
  }

  #set(uuid: DeviceUuid, device: OwnedDevice, active: boolean, reason: string): void {
    const { table, logger } = this.#parts;
    const changed = device.active !== active;
    device.active = active;
    for (const runner of table.holding(uuid)) {
      const busy = runner.record.devices.some((each) => this.#isActive(each));
      if (busy === (runner.record.ladder.demands.activitySinceMs !== null)) continue;
      runner.dispatch({ type: "activity", busy });
      if (changed) logger.info({ device: uuid, lease: runner.record.leaseId, reason }, said(runner, busy));
    }
  }

  /** Where the owner has promised to call, telemetry has no say. */
  #isActive(uuid: DeviceUuid): boolean {
    return this.#parts.pools.policyOfDevice(uuid).returnSignal === "activity" && this.#device(uuid).active;
  }

  #device(uuid: DeviceUuid): OwnedDevice {
    const known = this.#devices.get(uuid);
    if (known !== undefined) return known;
    const lastIdleAtMs = this.#parts.clock.nowMs();
    const device: OwnedDevice = { tracker: new OwnerTracker(), active: false, lastIdleAtMs };
    this.#devices.set(uuid, device);
    return device;
  }
}

function said(runner: LeaseRunner, busy: boolean): string {
  return busy ? `the owner is back: the guest is ${runner.state}` : "the owner has left again";
}
