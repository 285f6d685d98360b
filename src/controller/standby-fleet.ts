import type { LeaseStep } from "../api/convert/lease.ts";
import type { DeviceInfo, DeviceUuid, Sample } from "../core/device.ts";
import { OwnerTracker } from "../core/idleness.ts";
import { isLive } from "../core/lease.ts";
import type { Clock } from "../runtime/clock.ts";
import type { AgentSession } from "./agent-session.ts";
import { type OwnerForecast, readingOf } from "./owner-forecast.ts";

export interface StandbyDevice {
  info: DeviceInfo;
  readonly tracker: OwnerTracker;
  /** Live leases, with when they were first heard of; monotonic. */
  readonly leases: Map<string, number>;
  /** Recalls that were passed on and have not ended. */
  readonly recalls: Set<string>;
}

/** What a controller that stands by hears from the agents: enough to take back, and to know the owners once it leads. */
export class StandbyFleet {
  readonly devices = new Map<DeviceUuid, StandbyDevice>();
  /** By host. */
  readonly agents = new Map<string, AgentSession>();
  readonly #forecast: OwnerForecast;
  readonly #clock: Clock;
  readonly #staleMs: number;

  constructor(forecast: OwnerForecast, clock: Clock, staleMs: number) {
    this.#forecast = forecast;
    this.#clock = clock;
    this.#staleMs = staleMs;
  }

  agentOf({ info }: StandbyDevice): AgentSession | undefined {
    return this.agents.get(info.host);
  }

  /** All that an agent has and runs, as its Hello says. */
  joined(session: AgentSession, devices: readonly DeviceInfo[], leases: readonly LeaseStep[]): void {
    this.agents.get(session.host)?.outgoing.close();
    this.agents.set(session.host, session);
    for (const info of devices) {
      const known = this.devices.get(info.uuid);
      if (known === undefined)
        this.devices.set(info.uuid, {
          info,
          tracker: new OwnerTracker(),
          leases: new Map(),
          recalls: new Set(),
        });
      else {
        known.info = info;
        known.leases.clear();
      }
    }
    for (const lease of leases) this.stepped(lease);
  }

  /** False: the agent has a newer stream. */
  left(session: AgentSession): boolean {
    return this.agents.get(session.host) === session && this.agents.delete(session.host);
  }

  stepped({ leaseId, devices, state }: LeaseStep): void {
    for (const uuid of devices) {
      const leases = this.devices.get(uuid)?.leases;
      if (!isLive(state)) leases?.delete(leaseId);
      else if (leases?.has(leaseId) === false) leases.set(leaseId, this.#clock.monotonicMs());
    }
  }

  take(session: AgentSession, sample: Sample): void {
    const device = this.devices.get(sample.device);
    if (device === undefined || device.info.host !== session.host) return;
    const { info, tracker, leases } = device;
    const nowMs = this.#clock.monotonicMs();
    const { state, reason } = tracker.observe(sample, {
      nowMs,
      staleMs: this.#staleMs,
      leased: leases.size > 0,
    });
    this.#forecast.observe(info, state, sample.atMs, readingOf(reason, sample));
  }
}
