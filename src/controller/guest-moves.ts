import type { DeviceDecision, HeldGuest } from "../core/forecast/device-decision.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Settings } from "../config/settings.ts";
import type { AgentSession } from "./agent-session.ts";
import type { Device, Fleet, LiveLease } from "./fleet.ts";
import type { LiveGuests } from "./live-guests.ts";
import type { OwnerForecast } from "./owner-forecast.ts";
import type { OwnerSignals } from "./owner-signals.ts";

interface GuestMovesParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly forecast: OwnerForecast;
  readonly guests: LiveGuests;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** How far ahead owners' returns are compared where some guests must leave. */
const staysForMs = 15 * 60_000;

/**
 * Moves guests while their owners are away: lets them stand still or leave before an owner is likely to come, and go on
 * when the owner has left again. What an owner asks for is not decided here, and comes first.
 */
export class GuestMoves {
  readonly #parts: GuestMovesParts;

  constructor(parts: GuestMovesParts) {
    this.#parts = parts;
  }

  /** To be called in every cycle: what was asked already is not asked again. */
  order(): void {
    const { fleet, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    for (const live of fleet.leases.values()) {
      const { lease, disowned } = live;
      const session = fleet.agents.get(lease.host);
      if (disowned || session === undefined) continue;
      if (lease.state === "paused") this.#paused(live, session, nowMs);
      else if (lease.state === "running") this.#running(live, session, nowMs);
    }
  }

  /** So many of the pool's lent devices are to be free again; those first whose owners are most likely to come. */
  leave(pool: string, devices: number): void {
    const { fleet, forecast, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const candidates: { live: LiveLease; session: AgentSession; stays: number; size: number }[] = [];
    let leaving = 0;
    for (const live of fleet.leases.values()) {
      const held = live.lease.grants.flatMap(({ device }) => fleet.devices.get(device) ?? []);
      const size = held.filter(({ info }) => info.pool === pool).length;
      if (size === 0) continue;
      const session = fleet.agents.get(live.lease.host);
      const { state } = live.lease;
      if (live.asked !== null || state === "vacating" || state === "killing") leaving += size;
      else if (session !== undefined && state !== "starting" && this.#idleDevices(live, nowMs) !== null) {
        const stays = Math.min(
          ...held.map(({ info }) => forecast.curve(info.uuid)?.survivalAt(staysForMs) ?? 0),
        );
        candidates.push({ live, session, stays, size });
      }
    }
    candidates.sort((a, b) => a.stays - b.stays || (a.live.lease.id < b.live.lease.id ? -1 : 1));
    for (const { live, session, size } of candidates) {
      if (leaving >= devices) return;
      this.#ask(live, session, "vacate");
      leaving += size;
    }
  }

  #running(live: LiveLease, session: AgentSession, nowMs: number): void {
    if (live.asked === session || live.cancel !== null) return;
    const devices = this.#idleDevices(live, nowMs);
    const move = devices && this.#decide(devices, { state: "running" });
    if (move === "pause" || move === "vacate") this.#ask(live, session, move);
  }

  #paused(live: LiveLease, session: AgentSession, nowMs: number): void {
    const devices = this.#idleDevices(live, nowMs);
    const { clock, settings } = this.#parts;
    const idleMs = Math.min(...(devices ?? []).map(({ tracker }) => tracker.ageMs(nowMs)));
    if (devices === null || idleMs < settings.forecast.resumeIdleMsMin) {
      live.resume = null;
      return;
    }
    const pausedMs = clock.wallMs() - live.lease.stateSinceMs;
    const move = this.#decide(devices, { state: "paused", forS: Math.min(idleMs, pausedMs) / 1_000 });
    if (move === "vacate" && live.asked !== session) this.#ask(live, session, "vacate");
    if (move !== "resume") return;
    if (live.resume?.session === session && nowMs < live.resume.againAtMs) return;
    live.resume = { session, refusals: live.resume?.refusals ?? 0, againAtMs: Infinity };
    session.command("resume", live.lease, {});
    this.#parts.log.info({ lease: live.lease.id }, "resumed: the owner has left again");
  }

  /** null: an owner wants one of them, or may be there. */
  #idleDevices({ lease }: LiveLease, nowMs: number): readonly Device[] | null {
    const { fleet, signals } = this.#parts;
    const devices = lease.grants.flatMap(({ device }) => fleet.devices.get(device) ?? []);
    const isFree = (device: Device) =>
      device.recalls.size === 0 &&
      !signals.isHinted(device.info) &&
      device.tracker.at(nowMs).state === "idle";
    return devices.length === lease.grants.length && devices.every(isFree) ? devices : null;
  }

  /** A gang is as safe as the worst of its devices. */
  #decide(devices: readonly Device[], guest: HeldGuest): DeviceDecision | null {
    const { forecast } = this.#parts;
    if (!devices.every(({ info }) => forecast.knows(info.uuid))) return null;
    const advice = devices.map(({ info }) => this.#adviceFor(info, guest));
    if (advice.includes("vacate")) return "vacate";
    if (guest.state === "running") return advice.includes("pause") ? "pause" : null;
    return advice.every((move) => move === "resume") ? "resume" : null;
  }

  /** Where an owner's return ends guests, one that was paused goes on unless it had better leave. */
  #adviceFor({ uuid, pool }: Device["info"], guest: HeldGuest): DeviceDecision | null {
    const { forecast, signals } = this.#parts;
    const move = forecast.decide(uuid, guest);
    const ends = signals.policyOf(pool).firstRung !== "pause";
    return guest.state === "paused" && ends ? (move ?? "resume") : move;
  }

  #ask(live: LiveLease, session: AgentSession, move: "pause" | "vacate"): void {
    const { guests, settings, log, metrics, fleet } = this.#parts;
    const { lease } = live;
    live.asked = session;
    if (move === "pause") session.command("pause", lease, { demand: undefined });
    else {
      const noticeMs = guests.specOf(lease.guestId)?.noticeMs ?? settings.guest.noticeMs;
      session.command("vacate", lease, {
        noticeMs,
        demand: undefined,
        reason: "the owner is likely to return",
      });
    }
    const pool = fleet.devices.get(lease.grants[0]?.device ?? "")?.info.pool ?? "";
    metrics.earlyMoves.inc({ pool, move });
    log.info({ lease: lease.id, move }, `the owner is likely to return: ${move}`);
  }
}
