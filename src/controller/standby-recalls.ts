import { isFinalStage, ownerRecallToProto, type LocalRecallStep } from "../api/convert/recall.ts";
import type { RecallDesk, RecallOrder, RecallProgress, RecallStage } from "../api/ports.ts";
import { defaults } from "../config/defaults.ts";
import type { VictimLease } from "../core/eviction-cost.ts";
import { targetCovers, type Target } from "../core/target.ts";
import { chooseVictims } from "../core/victims.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { Channel } from "../runtime/channel.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { StandbyDevice, StandbyFleet } from "./standby-fleet.ts";

/** Recalls that stand at once; one more is refused rather than forgotten. */
const recallsMax = 10_000;

/** What a standby does not hear of leases. */
const unknown = {
  checkpointAgeMs: null,
  startMs: 0,
  remainingMs: null,
  hasNotice: false,
  evictions: 0,
  evictionsLeft: Infinity,
} satisfies Partial<VictimLease>;

interface PassedOn {
  readonly id: string;
  readonly order: RecallOrder;
  readonly arrivedAtMs: number;
  readonly progress: Channel<RecallProgress>;
  readonly outstanding: Map<string, StandbyDevice>;
  /** Of a device whose agent is connected to nobody here; "" for none. */
  readonly unreachableHost: string;
  readonly stopWaiting: () => void;
}

/**
 * Recalls that come to a controller which does not lead. It hands each to the agents' own desks, which need nobody (I0), and
 * tells the caller what they report; the books hear of it from the agents once somebody leads.
 */
export class StandbyRecalls implements RecallDesk {
  readonly #fleet: StandbyFleet;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #newId: () => string;
  readonly #standing = new Map<string, PassedOn>();

  constructor(parts: { fleet: StandbyFleet; clock: Clock; log: Logger; newId: () => string }) {
    this.#fleet = parts.fleet;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#newId = parts.newId;
  }

  /**
   * Begins at the call. Throws DEVICE_NOT_FOUND, POOL_NOT_FOUND, TOO_MANY_RECALLS; AGENT_UNREACHABLE where nobody can take a
   * device back now, at the end of the stream where others could.
   */
  recall(order: RecallOrder, signal: AbortSignal): AsyncIterable<RecallProgress> {
    if (this.#standing.size >= recallsMax)
      throw new GleanerError("TOO_MANY_RECALLS", { countMax: recallsMax });
    const devices = this.#devicesOf(order.target);
    const reachable = devices.filter((device) => this.#fleet.agentOf(device) !== undefined);
    const away = devices.find((device) => this.#fleet.agentOf(device) === undefined);
    const unreachableHost = away?.info.host ?? "";
    if (reachable.length === 0 && away !== undefined)
      throw new GleanerError("AGENT_UNREACHABLE", { host: unreachableHost });
    const id = this.#newId();
    const deadlineMs = order.deadlineMs ?? defaults.policy.recallDeadlineMs;
    const recall: PassedOn = {
      id,
      order,
      arrivedAtMs: this.#clock.monotonicMs(),
      progress: new Channel(devices.length * 8 + 16, signal),
      outstanding: new Map(reachable.map((device) => [device.info.uuid, device])),
      unreachableHost,
      stopWaiting: this.#clock.after(deadlineMs, () => this.#deadline(id)),
    };
    this.#standing.set(id, recall);
    for (const { recalls } of reachable) recalls.add(id);
    for (const host of new Set(reachable.map(({ info }) => info.host))) this.#passOn(recall, host);
    this.#endIfDone(recall);
    this.#log.info(
      { recall: id, devices: devices.length, unreachableHost, reason: order.reason },
      `recall of ${devices.length} devices is passed on to their agents`,
    );
    return recall.progress;
  }

  /** What an agent reports of a recall that it took, this one's or another's. */
  reported({ recallId, device, stage, leaseId }: LocalRecallStep): void {
    const recall = this.#standing.get(recallId);
    if (recall?.outstanding.has(device) === true) this.#say(recall, device, stage, leaseId, "");
  }

  /** An agent came, perhaps anew: what it was told over a connection that broke it may not have heard. */
  joined(host: string): void {
    for (const recall of this.#standing.values()) this.#passOn(recall, host);
  }

  close(): void {
    for (const { progress, stopWaiting } of this.#standing.values()) {
      stopWaiting();
      progress.fail(new GleanerError("SERVER_STOPPING"));
    }
    this.#standing.clear();
  }

  #passOn({ id, order, arrivedAtMs, outstanding }: PassedOn, host: string): void {
    const its = [...outstanding.values()].filter(({ info }) => info.host === host);
    if (its.length === 0) return;
    const uuids = its.map(({ info }) => info.uuid);
    const value = ownerRecallToProto(id, uuids, order, this.#clock.monotonicMs() - arrivedAtMs);
    this.#fleet.agents.get(host)?.send({ $case: "ownerRecall", value });
  }

  #say(recall: PassedOn, device: string, stage: RecallStage, leaseId: string, detail: string): void {
    const { id, arrivedAtMs, progress, outstanding } = recall;
    const elapsedMs = this.#clock.monotonicMs() - arrivedAtMs;
    progress.push({
      recallId: id,
      device,
      stage,
      elapsedMs,
      leaseId,
      detail,
      outstanding: outstanding.size,
    });
    if (!isFinalStage(stage)) return;
    outstanding.get(device)?.recalls.delete(id);
    outstanding.delete(device);
    this.#endIfDone(recall);
  }

  #deadline(id: string): void {
    const recall = this.#standing.get(id);
    for (const uuid of recall?.outstanding.keys() ?? [])
      this.#say(recall!, uuid, "deadline_missed", "", "its agent has not reported its release");
  }

  #endIfDone({ id, outstanding, stopWaiting, progress, unreachableHost }: PassedOn): void {
    if (outstanding.size > 0) return;
    stopWaiting();
    this.#standing.delete(id);
    if (unreachableHost === "") progress.close();
    else progress.fail(new GleanerError("AGENT_UNREACHABLE", { host: unreachableHost }));
  }

  #devicesOf(target: Target): StandbyDevice[] {
    const { devices } = this.#fleet;
    if (target.kind === "devices")
      return [...new Set(target.uuids)].map((uuid) => {
        const device = devices.get(uuid);
        if (device === undefined) throw new GleanerError("DEVICE_NOT_FOUND", { uuid });
        return device;
      });
    const covered = [...devices.values()].filter(({ info }) => targetCovers(target, info));
    if (target.kind === "fleet") return covered;
    if (covered.length === 0) throw new GleanerError("POOL_NOT_FOUND", { pool: target.pool });
    return target.devices === 0 ? covered : this.#cheapest(covered, target.devices);
  }

  /** As far as it is known here: checkpoints are not, so what began last loses least. */
  #cheapest(pool: readonly StandbyDevice[], count: number): StandbyDevice[] {
    const nowMs = this.#clock.monotonicMs();
    const candidates = pool
      .filter((device) => device.recalls.size === 0 && this.#fleet.agentOf(device) !== undefined)
      .filter(({ leases, tracker }) => leases.size > 0 || tracker.at(nowMs).state !== "busy");
    const recalled = pool.filter(({ recalls }) => recalls.size > 0);
    const leaving = new Set(recalled.flatMap(({ leases }) => leases.keys().toArray()));
    const seen = new Map<string, VictimLease>();
    for (const { leases } of candidates)
      for (const [id, sinceMs] of leases) {
        const permille = (seen.get(id)?.permille ?? 0) + 1_000;
        const workedMs = nowMs - sinceMs;
        seen.set(id, { ...unknown, id, permille, workedMs, isLeaving: leaving.has(id) });
      }
    const victims = candidates.map(({ info: { uuid, host }, leases }) => ({
      uuid,
      host,
      leases: [...leases.keys()].map((id) => seen.get(id)!),
    }));
    const chosen = new Set(chooseVictims(victims, count).devices);
    return pool.filter(({ info }) => chosen.has(info.uuid));
  }
}
