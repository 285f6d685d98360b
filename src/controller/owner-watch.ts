import type { DeviceInfo, Sample } from "../core/device.ts";
import { isLive, momentOf, type Lease } from "../core/lease.ts";
import type { Breaker } from "../core/breaker.ts";
import type { MeetingsMeter } from "../core/meetings-meter.ts";
import type { OwnerView } from "../core/idleness.ts";
import type { LeaseStep } from "../api/convert/lease.ts";
import { isFinalStage, type LocalRecallStep } from "../api/convert/recall.ts";
import type { Settings } from "../config/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import { isMeeting } from "./meeting.ts";
import { type OwnerForecast, readingOf } from "./owner-forecast.ts";
import type { OwnerSignals } from "./owner-signals.ts";

interface OwnerWatchParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly journal: Journal;
  readonly forecast: OwnerForecast;
  readonly breaker: Breaker;
  readonly meetings: MeetingsMeter;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * Follows the owners: what telemetry says of each device, into the forecast and the books; and what their returns met, into
 * the breaker and the meter of meetings.
 */
export class OwnerWatch {
  readonly #parts: OwnerWatchParts;
  /** Recalls that agents took by themselves, by recall and device, until their final stage is written. */
  readonly #agentRecalls = new Map<string, { readonly host: string; readonly step: LocalRecallStep }>();
  /** Those that ended last: an agent repeats what was not acknowledged in time, and an early stage may come after the last. */
  readonly #endedRecalls = new Set<string>();

  constructor(parts: OwnerWatchParts) {
    this.#parts = parts;
  }

  addDevice(info: DeviceInfo): void {
    const { isNew } = this.#parts.fleet.addDevice(info);
    if (isNew) this.#describe(info);
  }

  /** The pool's devices have another owner from now on, in the books too. */
  ownerChanged(pool: string): void {
    for (const { info } of this.#parts.fleet.devices.values()) if (info.pool === pool) this.#describe(info);
  }

  #describe(info: DeviceInfo): void {
    const { journal, signals, clock } = this.#parts;
    const { owner } = signals.policyOf(info.pool);
    journal.write({ type: "device", atMs: clock.wallMs(), device: info, owner });
  }

  take(device: Device, sample: Sample, nowMs: number): void {
    const { settings, metrics, forecast } = this.#parts;
    const before = device.tracker.at(nowMs);
    const context = { nowMs, staleMs: settings.telemetry.staleMs, leased: device.leases.size > 0 };
    const now = device.tracker.observe(sample, context);
    device.ownerMemoryMib =
      sample.attribution === "owner" || device.leases.size === 0
        ? sample.memoryUsedMib
        : device.ownerMemoryMib;
    metrics.samples.inc({ state: now.state });
    forecast.observe(device.info, now.state, sample.atMs, readingOf(now.reason, sample));
    // The books may not have it where a predecessor followed the owner.
    const isNews = now.state !== before.state || now.state !== device.writtenOwnerState;
    if (isNews) this.#changed(device, now.state, now.reason, sample.atMs);
  }

  /** Devices whose samples stopped become unknown without one; called by every cycle for each device. */
  sweep(device: Device, { state, reason, sinceMs }: OwnerView): void {
    if (state !== "unknown" || device.writtenOwnerState === "unknown") return;
    this.#parts.forecast.observe(device.info, "unknown", sinceMs);
    this.#changed(device, state, reason, sinceMs);
  }

  #changed(device: Device, state: "busy" | "idle" | "unknown", reason: string, atMonotonicMs: number): void {
    const { journal, clock } = this.#parts;
    device.writtenOwnerState = state;
    const atMs = Math.round(clock.wallMs() - (clock.monotonicMs() - atMonotonicMs));
    journal.write({ type: "owner", atMs, device: device.info.uuid, state, reason });
  }

  /** Called for every step: an owner who met a guest counts, and an early one makes lending there harder for a while. */
  stepped(before: Lease, step: LeaseStep): void {
    if (!isMeeting(before, step.mover)) return;
    const { fleet, journal, clock, metrics, meetings, breaker, settings, signals, forecast } = this.#parts;
    const nowMs = clock.monotonicMs();
    const isEarly = clock.wallMs() - before.lentAtMs < settings.forecast.earlyReturnMs;
    for (const { device: uuid } of before.grants) {
      const device = fleet.devices.get(uuid);
      if (device === undefined) continue;
      const { pool } = device.info;
      const { owner, meetingsPerGpuDayMax } = signals.policyOf(pool);
      const poolDevices = fleet.devicesIn(pool);
      metrics.meetings.inc({ pool });
      // Where telemetry cannot tell the owner from the guest, the call is all that shows the return.
      if (step.mover === "owner" && device.tracker.at(nowMs).reason === "guest_on_device")
        forecast.observe(device.info, "busy", nowMs);
      if (meetingsPerGpuDayMax !== null) meetings.met(pool, nowMs);
      if (isEarly)
        breaker.earlyReturn({ device: uuid, owner, pool, ownerDevices: poolDevices, poolDevices }, nowMs);
      if (step.mover === "activity")
        journal.write({
          type: "meeting",
          id: `activity ${momentOf(step)} ${uuid}`,
          atMs: Math.round(clock.wallMs()),
          device: uuid,
          leaseId: before.id,
          signal: "activity",
          recallId: "",
        });
      if (step.signalToStepMs !== null) {
        const stage = step.state === "paused" ? "frozen" : isLive(step.state) ? null : "released";
        if (stage !== null) metrics.ownerWaitSeconds.observe({ pool, stage }, step.signalToStepMs / 1_000);
      }
    }
  }

  /** A stage of a recall that the agent of the host took by itself; times on this process's monotonic clock. */
  recalledByAgent(host: string, step: LocalRecallStep): void {
    const { journal, clock, fleet } = this.#parts;
    const { recallId, device: uuid, stage, leaseId, elapsedMs, deadlineMs, reason } = step;
    const key = keyOf(step);
    const atMs = Math.round(clock.wallMs() - (clock.monotonicMs() - step.atMs));
    const device = fleet.devices.get(uuid);
    if (this.#endedRecalls.has(key)) return;
    if (!this.#agentRecalls.has(key)) {
      device?.recalls.add(recallId);
      if (device !== undefined && leaseId !== "")
        journal.write({
          type: "meeting",
          id: key,
          atMs,
          device: uuid,
          leaseId,
          signal: "recall",
          recallId,
        });
    }
    this.#agentRecalls.set(key, { host, step });
    if (!isFinalStage(stage)) return;
    this.#agentRecalls.delete(key);
    this.#endedRecalls.add(key);
    for (const oldest of this.#endedRecalls) {
      if (this.#endedRecalls.size <= endedRecallsMax) break;
      this.#endedRecalls.delete(oldest);
    }
    if (device !== undefined) {
      device.recalls.delete(recallId);
      device.restUntilMs = Math.max(device.restUntilMs, step.atMs + step.holdMs);
    }
    if (leaseId === "") return;
    journal.write({
      type: "recalled",
      atMs,
      recallId,
      device: uuid,
      leaseId,
      stage,
      elapsedMs,
      deadlineMs,
      reason,
    });
  }

  /**
   * What stands, as the agent of the host says in its Hello, is all that stands. A recall that it does not know any more was
   * cut off with its host or its state: nothing runs there for it, so it is over now. Answers how many were.
   */
  agentRecalls(host: string, open: readonly LocalRecallStep[]): number {
    // Of the others the report follows that ends them.
    for (const step of open) if (!isFinalStage(step.stage)) this.recalledByAgent(host, step);
    const told = new Set(open.map(keyOf));
    const nowMs = this.#parts.clock.monotonicMs();
    const over = [...this.#agentRecalls].filter(([key, known]) => known.host === host && !told.has(key));
    for (const [, { step }] of over) {
      const elapsedMs = step.elapsedMs + nowMs - step.atMs;
      const stage = elapsedMs > step.deadlineMs ? "deadline_missed" : "released";
      this.recalledByAgent(host, { ...step, stage, atMs: nowMs, elapsedMs });
    }
    return over.length;
  }
}

/** Reports of a recall that come more than so many recalls after its end are taken for a recall that stands. */
const endedRecallsMax = 10_000;

function keyOf({ recallId, device }: LocalRecallStep): string {
  return `${recallId} ${device}`;
}
