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
import { Slices } from "./slices.ts";

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
const ownerMayCome = "the owner is likely to return, or the time to lend is nearly over";

interface Candidate {
  readonly live: LiveLease;
  readonly session: AgentSession;
  readonly pool: string;
  readonly devices: number;
  readonly stays: number;
}

/**
 * Moves guests while their owners are away: lets them stand still or leave before an owner is likely to come, and go on
 * when the owner has left again. What an owner asks for is not decided here, and comes first.
 */
export class GuestMoves {
  readonly #parts: GuestMovesParts;
  /** The forecast's, when it was asked about guests that work. */
  #settlings = -1;

  constructor(parts: GuestMovesParts) {
    this.#parts = parts;
  }

  /** To be called in every cycle: what was asked already is not asked again. In slices, so that no recall waits for it. */
  async order(): Promise<void> {
    const { fleet, forecast, clock } = this.#parts;
    const isNews = forecast.settlings !== this.#settlings;
    this.#settlings = forecast.settlings;
    const slices = new Slices(clock);
    for (const live of fleet.leases.values()) {
      const { lease, disowned } = live;
      const session = fleet.agents.get(lease.host);
      if (disowned || session === undefined) continue;
      if (lease.state === "paused") this.#paused(live, session);
      else if (lease.state === "running" && isNews) this.#running(live, session);
      await slices.breathe();
    }
  }

  /** So many of each pool's lent devices are to be free again; those first whose owners are most likely to come. */
  async leave(devicesOf: ReadonlyMap<string, number>): Promise<void> {
    const { fleet, clock } = this.#parts;
    const slices = new Slices(clock);
    const left = new Map(devicesOf);
    const candidates: Candidate[] = [];
    for (const live of fleet.leases.values()) {
      await slices.breathe();
      const { lease, disowned, cancel, asked } = live;
      const devices = lease.grants.flatMap(({ device }) => fleet.devices.get(device) ?? []);
      const pool = devices[0]?.info.pool ?? "";
      if (!left.has(pool) || disowned) continue;
      const session = fleet.agents.get(lease.host);
      const isAsked = asked?.move === "vacate" && asked.session === session;
      if (isAsked || cancel !== null || lease.state === "vacating" || lease.state === "killing")
        left.set(pool, left.get(pool)! - devices.length);
      else if (session !== undefined && lease.state !== "starting" && this.#idleDevices(live) !== null)
        candidates.push({ live, session, pool, devices: devices.length, stays: this.#stays(devices) });
    }
    candidates.sort((a, b) => a.stays - b.stays || (a.live.lease.id < b.live.lease.id ? -1 : 1));
    for (const { live, session, pool, devices } of candidates) {
      if (left.get(pool)! <= 0) continue;
      this.#ask(live, session, "vacate", "so many devices are to be kept free for the owner");
      left.set(pool, left.get(pool)! - devices);
    }
  }

  /** The chance that all of them stay idle for a while; what is not known is not likely to go soon. */
  #stays(devices: readonly Device[]): number {
    const chances = devices.map(({ info }) => this.#parts.forecast.curve(info.uuid)?.survivalAt(staysForMs));
    return Math.min(1, ...chances.filter((chance) => chance !== undefined));
  }

  #running(live: LiveLease, session: AgentSession): void {
    if (live.asked?.session === session || live.cancel !== null) return;
    const devices = this.#idleDevices(live);
    const move = devices && this.#decide(devices, { state: "running" });
    if (move === "pause" || move === "vacate") this.#ask(live, session, move, ownerMayCome);
  }

  #paused(live: LiveLease, session: AgentSession): void {
    const devices = this.#idleDevices(live);
    const { clock, settings } = this.#parts;
    const nowMs = clock.monotonicMs();
    const idleMs = Math.min(...(devices ?? []).map(({ tracker }) => tracker.ageMs(nowMs)));
    if (devices === null || idleMs < settings.forecast.resumeIdleMsMin) {
      live.resume = null;
      return;
    }
    const pausedMs = clock.wallMs() - live.lease.stateSinceMs;
    const move = this.#decide(devices, { state: "paused", forS: Math.min(idleMs, pausedMs) / 1_000 });
    if (move === "vacate" && live.asked?.session !== session)
      this.#ask(live, session, "vacate", ownerMayCome);
    if (move !== "resume") return;
    if (live.resume?.session === session && nowMs < live.resume.againAtMs) return;
    live.resume = { session, refusals: live.resume?.refusals ?? 0, againAtMs: Infinity };
    session.command("resume", live.lease, {});
    this.#parts.log.info({ lease: live.lease.id }, "resumed: the owner has left again");
  }

  /** null: an owner wants one of them, or may be there. */
  #idleDevices({ lease }: LiveLease): readonly Device[] | null {
    const { fleet, signals, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
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

  #ask(live: LiveLease, session: AgentSession, move: "pause" | "vacate", reason: string): void {
    const { guests, settings, log, metrics, fleet } = this.#parts;
    const { lease } = live;
    live.asked = { session, move };
    if (move === "pause") session.command("pause", lease, { demand: undefined });
    else {
      const noticeMs = guests.specOf(lease.guestId)?.noticeMs ?? settings.guest.noticeMs;
      session.command("vacate", lease, { noticeMs, demand: undefined, reason, early: true });
    }
    const pool = fleet.devices.get(lease.grants[0]?.device ?? "")?.info.pool ?? "";
    metrics.earlyMoves.inc({ pool, move });
    log.info({ lease: lease.id, move }, `${move} before the owner comes: ${reason}`);
  }
}
