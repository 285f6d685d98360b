import type { DeviceInfo, DeviceUuid, OwnerState } from "../core/device.ts";
import { OwnerTracker } from "../core/idleness.ts";
import { isLive, type Lease } from "../core/lease.ts";
import type { Rung } from "../core/policy.ts";
import type { AgentSession } from "./agent-session.ts";

/** A device as the controller sees it now. */
export interface Device {
  info: DeviceInfo;
  readonly tracker: OwnerTracker;
  readonly leases: Map<string, LiveLease>;
  /** null: usable. */
  quarantine: string | null;
  /** Monotonic; a recalled device rests until then. */
  restUntilMs: number;
  /** Recalls that stand on this device; none may be lent while one does. */
  readonly recalls: Set<string>;
  ownerMemoryMib: number | null;
  /** Last read while no guest was there, from a source that counts guests' memory in; null: no such reading. */
  unlentMemoryMib: number | null;
  /** What the books were told last: the owner's state, and why the device is not lent. */
  writtenOwnerState: OwnerState;
  writtenUnlentReason: string;
}

/** A lease with what only this process needs to know of it. */
export interface LiveLease {
  lease: Lease;
  /** Since the newest checkpoint, as the agent measured it last; null: no checkpoint yet. */
  checkpointAgeMs: number | null;
  workedMs: number;
  /** null: since it was paused, nobody has asked for it to go on. */
  resume: ResumeWish | null;
  /** What was asked of it before its owner comes, and of whom; null: since its last step nothing. */
  asked: { readonly session: AgentSession; readonly move: "pause" | "vacate" } | null;
  /** Its owner's return found it at work, since it last began or went on. */
  met: boolean;
  /** Monotonic; what the agent was last known to honour. */
  renewedAtMs: number;
  /** The books do not know it: its term is not renewed any more, so that its agent ends it. */
  disowned: boolean;
  /** By recall, the Busy hint under the empty id: what owners asked of it, until it is withdrawn. */
  readonly demands: Map<string, { readonly rung: Rung; readonly endsAtMs: number }>;
  /** null: nobody has cancelled its guest. */
  cancel: { readonly noticeMs: number; readonly reason: string } | null;
}

/** One that was not answered yet is not repeated to the same session; one that was refused, ever more rarely. */
export interface ResumeWish {
  session: AgentSession;
  refusals: number;
  /** Monotonic. */
  againAtMs: number;
}

/** The live view of devices, leases and agents. Only this process's memory: the books are in Redis. */
export class Fleet {
  readonly devices = new Map<DeviceUuid, Device>();
  readonly leases = new Map<string, LiveLease>();
  /** Leases that ended without a proven hand-back: their devices stay quarantined until the agent proves it (I10). */
  readonly unproven = new Map<string, LiveLease>();
  /** By host. */
  readonly agents = new Map<string, AgentSession>();
  readonly #poolSizes = new Map<string, number>();
  readonly #trackers: ReadonlyMap<DeviceUuid, OwnerTracker>;

  /** `trackers`: of owners who were followed before. */
  constructor(trackers: ReadonlyMap<DeviceUuid, OwnerTracker> = new Map()) {
    this.#trackers = trackers;
  }

  addDevice(info: DeviceInfo): { device: Device; isNew: boolean } {
    const known = this.devices.get(info.uuid);
    if (known !== undefined) {
      if (known.info.pool !== info.pool) {
        this.#poolSizes.set(known.info.pool, this.devicesIn(known.info.pool) - 1);
        this.#poolSizes.set(info.pool, this.devicesIn(info.pool) + 1);
      }
      known.info = info;
      return { device: known, isNew: false };
    }
    const device: Device = {
      info,
      tracker: this.#trackers.get(info.uuid) ?? new OwnerTracker(),
      leases: new Map(),
      quarantine: null,
      restUntilMs: 0,
      recalls: new Set(),
      ownerMemoryMib: null,
      unlentMemoryMib: null,
      writtenOwnerState: "unknown",
      writtenUnlentReason: "",
    };
    this.devices.set(info.uuid, device);
    this.#poolSizes.set(info.pool, this.devicesIn(info.pool) + 1);
    for (const live of this.leases.values())
      if (live.lease.grants.some((grant) => grant.device === info.uuid))
        device.leases.set(live.lease.id, live);
    return { device, isNew: true };
  }

  addLease(lease: Lease, renewedAtMs: number): LiveLease {
    const live: LiveLease = {
      lease,
      checkpointAgeMs: null,
      workedMs: 0,
      resume: null,
      asked: null,
      met: false,
      renewedAtMs,
      disowned: false,
      demands: new Map(),
      cancel: null,
    };
    if (!isLive(lease.state)) {
      this.unproven.set(lease.id, live);
      return live;
    }
    this.leases.set(lease.id, live);
    for (const grant of lease.grants) this.devices.get(grant.device)?.leases.set(lease.id, live);
    return live;
  }

  /** Takes a step into the view; a final one removes the lease from it. */
  moveLease(live: LiveLease, change: Pick<Lease, "state" | "stateSinceMs" | "step">): void {
    live.lease = { ...live.lease, ...change };
    if (change.state !== "paused") live.resume = null;
    live.asked = null;
    if (isLive(change.state)) return;
    const { id, grants } = live.lease;
    const held = [
      this.leases,
      this.unproven,
      ...grants.map(({ device }) => this.devices.get(device)?.leases),
    ];
    // After Redis came back older another lease may go by the same name.
    for (const leases of held) if (leases?.get(id) === live) leases.delete(id);
    if (change.state === "quarantined") this.unproven.set(id, live);
  }

  /** How many devices a pool has. */
  devicesIn(pool: string): number {
    return this.#poolSizes.get(pool) ?? 0;
  }

  pools(): string[] {
    return [...this.#poolSizes.keys()];
  }

  agentOf(device: Device): AgentSession | undefined {
    return this.agents.get(device.info.host);
  }

  /** Live and unproven ones. */
  leasesOnHost(host: string): LiveLease[] {
    return [...this.leases.values(), ...this.unproven.values()].filter((live) => live.lease.host === host);
  }
}
