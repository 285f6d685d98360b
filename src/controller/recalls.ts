import { momentOf, type Lease } from "../core/lease.ts";
import type { LeaseStep as StepReport } from "../api/convert/lease.ts";
import type { FinalRecallStage } from "../api/convert/recall.ts";
import type { Target } from "../core/target.ts";
import type { RecallDesk, RecallOrder, RecallProgress, RecallStage } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { Channel } from "../runtime/channel.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { Settings } from "../config/settings.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import type { LeaseOrders } from "./lease-orders.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { RecallTargets } from "./recall-targets.ts";

/** Recalls that stand at once; one more is refused rather than forgotten. */
const recallsMax = 10_000;

interface RecalledDevice {
  readonly device: Device;
  /** Leases that still stand on it. */
  readonly leases: Set<string>;
  readonly leaseId: string;
  readonly deadlineMs: number;
  readonly holdMs: number;
  stage: RecallStage;
  final: boolean;
}

interface StandingRecall {
  readonly id: string;
  readonly order: RecallOrder;
  readonly receivedAtMs: number;
  readonly devices: Map<string, RecalledDevice>;
  readonly progress: Channel<RecallProgress>;
  readonly timers: Set<() => void>;
  outstanding: number;
}

/**
 * The preemption controller. A recall goes to the agents first and into the books afterwards (I0): nothing here waits for
 * Redis, for the leader or for a cycle. The agents carry the ladder out; this follows them and keeps the deadline in sight.
 */
export class Recalls implements RecallDesk {
  readonly #fleet: Fleet;
  readonly #signals: OwnerSignals;
  readonly #targets: RecallTargets;
  readonly #orders: LeaseOrders;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #newId: () => string;
  readonly #settings: Settings["recall"];
  readonly #standing = new Map<string, StandingRecall>();

  constructor(parts: {
    fleet: Fleet;
    signals: OwnerSignals;
    targets: RecallTargets;
    orders: LeaseOrders;
    journal: Journal;
    clock: Clock;
    log: Logger;
    metrics: Metrics;
    newId: () => string;
    settings: Settings["recall"];
  }) {
    this.#fleet = parts.fleet;
    this.#signals = parts.signals;
    this.#targets = parts.targets;
    this.#orders = parts.orders;
    this.#journal = parts.journal;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#metrics = parts.metrics;
    this.#newId = parts.newId;
    this.#settings = parts.settings;
  }

  /** Begins at the call, not at the first read of the stream: an owner who never reads still has the devices back. */
  recall(order: RecallOrder, signal: AbortSignal): AsyncIterable<RecallProgress> {
    return this.#follow(this.#begin(order), signal);
  }

  async *#follow(recall: StandingRecall, signal: AbortSignal): AsyncIterable<RecallProgress> {
    const leave = () => recall.progress.close();
    signal.addEventListener("abort", leave, { once: true });
    try {
      yield* recall.progress;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #begin(order: RecallOrder): StandingRecall {
    if (this.#standing.size >= recallsMax)
      throw new GleanerError("TOO_MANY_RECALLS", { countMax: recallsMax });
    const devices = this.#targets.devicesOf(order);
    const recall: StandingRecall = {
      id: this.#newId(),
      order,
      receivedAtMs: this.#clock.monotonicMs(),
      devices: new Map(),
      progress: new Channel(devices.length * 8 + 16),
      timers: new Set(),
      outstanding: devices.length,
    };
    this.#standing.set(recall.id, recall);
    const asked = new Set<string>();
    for (const device of devices) this.#recallDevice(recall, device, asked);
    this.#watchDeadlines(recall);
    this.#endIfDone(recall);
    this.#log.info(
      { recall: recall.id, devices: devices.length, lent: asked.size, reason: order.reason },
      `recall of ${devices.length} devices: ${asked.size} leases stand in the way`,
    );
    return recall;
  }

  #recallDevice(recall: StandingRecall, device: Device, asked: Set<string>): void {
    const policy = this.#signals.policyOf(device.info.pool);
    const deadlineMs = recall.order.deadlineMs ?? policy.recallDeadlineMs;
    const holdMs = recall.order.holdMs ?? this.#settings.holdAfterRecallMs;
    const leases = [...device.leases.values()];
    const recalled: RecalledDevice = {
      device,
      leases: new Set(leases.map((live) => live.lease.id)),
      leaseId: leases[0]?.lease.id ?? "",
      deadlineMs,
      holdMs,
      stage: "accepted",
      final: false,
    };
    recall.devices.set(device.info.uuid, recalled);
    device.recalls.add(recall.id);
    if (leases.length === 0) {
      this.#finish(recall, recalled, "released", "was not lent");
      return;
    }
    for (const live of leases) {
      if (asked.has(live.lease.id)) continue;
      asked.add(live.lease.id);
      this.#orders.recall(live, recall.order.firstRung ?? policy.firstRung, recall.id, deadlineMs);
    }
    const reachable = this.#fleet.agentOf(device) !== undefined;
    this.#progress(
      recall,
      recalled,
      "accepted",
      reachable ? "" : "the agent is away: told when it is back, or its lease ends with its term",
    );
    if (leases.every(({ lease, resume }) => lease.state === "paused" && resume === null))
      this.#progress(recall, recalled, "paused", "was paused already");
    this.#journal.write({
      type: "meeting",
      id: `${recall.id} ${device.info.uuid}`,
      atMs: this.#clock.wallMs(),
      device: device.info.uuid,
      leaseId: recalled.leaseId,
      signal: "recall",
      recallId: recall.id,
    });
  }

  /** Pauses what a Busy hint covers; no deadline, so the pause budget decides what comes after. */
  pauseForHint(target: Target, hintTtlMs: number): number {
    let paused = 0;
    for (const device of this.#targets.present(target)) {
      const running = [...device.leases.values()].filter(
        ({ lease }) => lease.state === "starting" || lease.state === "running",
      );
      if (running.length === 0) continue;
      paused += 1;
      for (const live of running) this.#orders.pause(live, hintTtlMs);
      const { lease } = running[0]!;
      const atMs = this.#clock.wallMs();
      this.#journal.write({
        type: "meeting",
        id: `busy ${momentOf(lease)} ${device.info.uuid}`,
        atMs,
        device: device.info.uuid,
        leaseId: lease.id,
        signal: "busy",
        recallId: "",
      });
    }
    return paused;
  }

  /** Follows the agents' steps; called for every step at the moment it is heard of. */
  stepped(lease: Lease, report: StepReport): void {
    for (const { device } of lease.grants) {
      const recalls = this.#fleet.devices.get(device)?.recalls;
      if (recalls === undefined) continue;
      for (const id of recalls) {
        const recall = this.#standing.get(id);
        const recalled = recall?.devices.get(device);
        if (recall !== undefined && recalled !== undefined) this.#stepped(recall, recalled, lease, report);
      }
    }
  }

  #stepped(recall: StandingRecall, recalled: RecalledDevice, lease: Lease, report: StepReport): void {
    if (recalled.final || !recalled.leases.has(lease.id)) return;
    const { device } = recalled;
    switch (report.state) {
      case "paused":
      case "vacating":
      case "killing": {
        this.#progress(recall, recalled, report.state, report.detail);
        if (report.state === "paused") this.#observe(recall, device, "frozen");
        return;
      }
      case "released":
        recalled.leases.delete(lease.id);
        if (recalled.leases.size === 0) this.#finish(recall, recalled, "released", report.detail);
        return;
      case "quarantined":
        this.#finish(recall, recalled, "deadline_missed", report.detail);
        return;
      case "starting":
      case "running":
        return;
    }
  }

  /** Withdraws the recalls whose devices lie within the target and that have not begun to vacate. */
  withdraw(covers: (device: Device) => boolean): number {
    let withdrawn = 0;
    for (const recall of this.#standing.values()) {
      let any = false;
      for (const recalled of recall.devices.values()) {
        if (recalled.final || !covers(recalled.device)) continue;
        if (recalled.stage !== "accepted" && recalled.stage !== "paused") continue;
        any = true;
        recalled.device.restUntilMs = 0;
        this.#withdrawFrom(recalled.device, recall.id);
        this.#finish(recall, recalled, "withdrawn", "the owner is done");
      }
      if (any) withdrawn += 1;
    }
    return withdrawn;
  }

  /** A Busy hint ended: the agents may resume its guests again. */
  withdrawHint(target: Target): void {
    for (const device of this.#targets.present(target)) this.#withdrawFrom(device, "");
  }

  #withdrawFrom(device: Device, recallId: string): void {
    for (const live of device.leases.values()) this.#orders.withdraw(live, recallId);
  }

  /** Those whose devices are not all back. */
  standing(): readonly object[] {
    return [...this.#standing.values()].map((recall) => ({
      recallId: recall.id,
      ageMs: Math.round(this.#elapsedMs(recall)),
      reason: recall.order.reason,
      outstanding: [...recall.devices.values()].flatMap(({ device, stage, deadlineMs, final }) =>
        final ? [] : [{ device: device.info.uuid, stage, deadlineMs }],
      ),
    }));
  }

  close(): void {
    for (const recall of this.#standing.values()) {
      for (const cancel of recall.timers) cancel();
      recall.progress.fail(new GleanerError("CONTROLLER_SYNCING"));
    }
    this.#standing.clear();
  }

  #watchDeadlines(recall: StandingRecall): void {
    const deadlines = new Set(
      [...recall.devices.values()].filter(({ final }) => !final).map(({ deadlineMs }) => deadlineMs),
    );
    for (const deadlineMs of deadlines) {
      const cancel = this.#clock.after(deadlineMs, () => {
        for (const recalled of recall.devices.values())
          if (!recalled.final && recalled.deadlineMs === deadlineMs)
            this.#finish(recall, recalled, "deadline_missed", "still not released at the deadline");
      });
      recall.timers.add(cancel);
    }
  }

  #finish(recall: StandingRecall, recalled: RecalledDevice, stage: FinalRecallStage, detail: string): void {
    const { device } = recalled;
    recalled.final = true;
    recall.outstanding -= 1;
    device.recalls.delete(recall.id);
    const nowMs = this.#clock.monotonicMs();
    if (stage !== "withdrawn") device.restUntilMs = Math.max(device.restUntilMs, nowMs + recalled.holdMs);
    this.#progress(recall, recalled, stage, detail);
    if (recalled.leaseId !== "") {
      if (stage === "released") this.#observe(recall, device, "released");
      this.#journal.write({
        type: "recalled",
        atMs: this.#clock.wallMs(),
        recallId: recall.id,
        device: device.info.uuid,
        leaseId: recalled.leaseId,
        stage,
        elapsedMs: this.#elapsedMs(recall),
        deadlineMs: recalled.deadlineMs,
        reason: recall.order.reason,
      });
    }
    if (stage === "deadline_missed")
      this.#log.error(
        { recall: recall.id, device: device.info.uuid, deadlineMs: recalled.deadlineMs },
        "a recall missed its deadline",
      );
    this.#endIfDone(recall);
  }

  #endIfDone(recall: StandingRecall): void {
    // While #begin still adds devices, outstanding counts those to come.
    if (recall.outstanding > 0) return;
    for (const cancel of recall.timers) cancel();
    this.#standing.delete(recall.id);
    recall.progress.close();
  }

  #progress(recall: StandingRecall, recalled: RecalledDevice, stage: RecallStage, detail: string): void {
    recalled.stage = stage;
    const taken = recall.progress.push({
      recallId: recall.id,
      device: recalled.device.info.uuid,
      stage,
      elapsedMs: this.#elapsedMs(recall),
      leaseId: recalled.leaseId,
      detail,
      outstanding: recall.outstanding,
    });
    if (!taken)
      recall.progress.fail(new GleanerError("WATCHER_TOO_SLOW", { count: recall.progress.capacity }));
  }

  #observe(recall: StandingRecall, device: Device, stage: "frozen" | "released"): void {
    const { pool } = device.info;
    const rung = recall.order.firstRung ?? this.#signals.policyOf(pool).firstRung;
    this.#metrics.recallSeconds.observe({ pool, rung, stage }, this.#elapsedMs(recall) / 1_000);
  }

  #elapsedMs(recall: StandingRecall): number {
    return this.#clock.monotonicMs() - recall.receivedAtMs;
  }
}
