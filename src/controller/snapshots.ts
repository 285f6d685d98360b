import type { WaitingGuest } from "../core/guest.ts";
import type { Breaker } from "../core/breaker.ts";
import type { MeetingsMeter } from "../core/meetings-meter.ts";
import { isLendWindowOpen } from "../core/policy-window.ts";
import type { DeviceView, PoolView, Snapshot } from "../core/snapshot.ts";
import type { OwnerView } from "../core/idleness.ts";
import type { Settings } from "../config/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import { weekMinuteIn } from "../runtime/local-time.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { MemoryProofs } from "./memory-proofs.ts";
import type { OwnerForecast } from "./owner-forecast.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { OwnerWatch } from "./owner-watch.ts";
import type { PoolReserves } from "./pool-reserves.ts";
import { Slices } from "./slices.ts";
import type { TenantUses } from "./tenant-uses.ts";

const noLeases: DeviceView["leases"] = [];

interface SnapshotsParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly owners: OwnerWatch;
  readonly forecast: OwnerForecast;
  readonly breaker: Breaker;
  readonly meetings: MeetingsMeter;
  readonly reserves: PoolReserves;
  readonly tenants: TenantUses;
  readonly memory: MemoryProofs;
  readonly settings: Settings;
  readonly clock: Clock;
}

/** Makes the plain input of a cycle from the live view. A device of which nothing changed is handed in as the same object. */
export class Snapshots {
  readonly #parts: SnapshotsParts;
  readonly #views = new WeakMap<Device, DeviceView>();
  /** The forecast's, when the last snapshot began. */
  #settlings = -1;

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
  }

  /** Long fleets are read in slices, so that no recall waits for a snapshot; what changes meanwhile is seen at apply. */
  async take(guests: readonly WaitingGuest[]): Promise<Snapshot> {
    const { fleet, signals, owners, settings, clock, tenants, forecast } = this.#parts;
    const nowMs = clock.monotonicMs();
    const slices = new Slices(clock);
    signals.expire();
    const pools = new Map<string, PoolView>();
    const devices: DeviceView[] = [];
    const isNews = forecast.settlings !== this.#settlings;
    this.#settlings = forecast.settlings;
    for (const device of fleet.devices.values()) {
      const { pool } = device.info;
      let view = pools.get(pool);
      if (view === undefined) pools.set(pool, (view = this.#pool(pool, nowMs)));
      const owner = device.tracker.at(nowMs);
      owners.sweep(device, owner);
      devices.push(this.#device(device, owner, view, nowMs, isNews));
      if (devices.length % 128 === 0) await slices.breathe();
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
    const { signals, meetings, fleet, clock, reserves } = this.#parts;
    const policy = signals.policyOf(pool);
    const limit = { devices: fleet.devicesIn(pool), meetingsPerGpuDayMax: policy.meetingsPerGpuDayMax };
    const wallMs = clock.wallMs();
    return {
      policy,
      windowOpen: isLendWindowOpen(policy.windows, (timeZone) => weekMinuteIn(timeZone, wallMs)),
      meetingsAllowed: meetings.lendingAllowed(pool, limit, nowMs),
      lentMax: reserves.lentMaxOf(pool),
    };
  }

  #device(
    device: Device,
    owner: OwnerView,
    { policy }: PoolView,
    nowMs: number,
    isNews: boolean,
  ): DeviceView {
    const { breaker, signals, fleet, memory, settings } = this.#parts;
    const { info } = device;
    const before = this.#views.get(device);
    const resting = device.recalls.size > 0 || nowMs < device.restUntilMs || memory.isOwed(info.uuid);
    const factor = breaker.requiredIdleFactor(info.uuid, policy.owner, info.pool, nowMs);
    const isSaid = !isNews && before?.owner === "idle" && before.ownerSinceMs === owner.sinceMs;
    const { curve, worthLending } = isSaid ? before : this.#forecastOf(info, owner);
    const next: DeviceView = {
      info,
      owner: owner.state,
      ownerReason: owner.reason,
      ownerSinceMs: owner.sinceMs,
      curve,
      worthLending,
      leases: leasesOf(device, before),
      quarantineReason: device.quarantine,
      heldBy: signals.standsAgainst(info) ?? (resting ? "cool_down" : null),
      requiredIdleMs:
        factor > 1
          ? Math.max(policy.idleMsMin, settings.telemetry.sampleIntervalMs) * factor
          : policy.idleMsMin,
      memoryUsedByOwnerMib: device.ownerMemoryMib,
      agentConnected: fleet.agentOf(device) !== undefined,
    };
    if (before !== undefined && isSame(before, next)) return before;
    this.#views.set(device, next);
    return next;
  }

  #forecastOf({ uuid }: Device["info"], { state }: OwnerView): Pick<DeviceView, "curve" | "worthLending"> {
    const { forecast } = this.#parts;
    if (state !== "idle") return { curve: null, worthLending: false };
    const curve = forecast.alikeCurve(uuid);
    return { curve, worthLending: curve !== null && forecast.decide(uuid, { state: "none" }) === "lend" };
  }
}

/** The same list as long as its leases are the same. */
function leasesOf(device: Device, before: DeviceView | undefined): DeviceView["leases"] {
  if (device.leases.size === 0) return noLeases;
  const leases = [...device.leases.values()].map(({ lease }) => lease);
  const isSameList =
    before?.leases.length === leases.length && before.leases.every((lease, index) => lease === leases[index]);
  return isSameList ? before.leases : leases;
}

function isSame(a: DeviceView, b: DeviceView): boolean {
  for (const field in a) if (a[field as keyof DeviceView] !== b[field as keyof DeviceView]) return false;
  return true;
}
