import type { LocalRecallStep } from "../../api/convert/recall.ts";
import type { RecallDesk, RecallOrder, RecallProgress, RecallStage } from "../../api/ports.ts";
import type { DeviceInfo } from "../../core/device.ts";
import type { VictimLease } from "../../core/eviction-cost.ts";
import type { LeaseState } from "../../core/lease.ts";
import { noticeLeftMs } from "../../core/recall-notice.ts";
import { targetCovers } from "../../core/target.ts";
import { chooseVictims } from "../../core/victims.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { Channel } from "../../runtime/channel.ts";
import type { Logger } from "../../runtime/log.ts";
import type { Devices } from "../devices.ts";
import type { HostClock } from "../host-clock.ts";
import type { LeaseRunner } from "../lease/lease-runner.ts";
import type { LeaseTable } from "../lease/lease-table.ts";
import type { Pools } from "../pools.ts";
import type { LocalRecall, RecallBook } from "./recall-book.ts";

interface RecallDeskParts {
  readonly devices: Devices;
  readonly table: LeaseTable;
  readonly pools: Pools;
  readonly book: RecallBook;
  readonly clock: HostClock;
  readonly newId: () => string;
  readonly logger: Logger;
  readonly holdAfterRecallMs: number;
  /** To the controller, if it is there; the book keeps it until it is acknowledged. */
  readonly report: (step: LocalRecallStep) => void;
}

/** Stages that one device can report to one caller. */
const stagesMax = 8;

/** How far a device is in being given back is how far the last of its leases is. */
const stageOf: Readonly<Record<LeaseState, RecallStage>> = {
  starting: "accepted",
  running: "accepted",
  paused: "paused",
  vacating: "vacating",
  killing: "killing",
  quarantined: "killing",
  released: "released",
};
const stages: readonly RecallStage[] = ["accepted", "paused", "vacating", "killing", "released"];

/** Who listens to one recall, and what is still to come. */
interface Follower {
  readonly progress: Channel<RecallProgress>;
  readonly outstanding: Set<string>;
}

/**
 * Recalls of this host's devices, from their owners directly. Needs no controller (I0): the guests hear of it first, then the
 * caller, then the disk, and the controller when it is there.
 */
export class AgentRecallDesk implements RecallDesk {
  readonly #parts: RecallDeskParts;
  readonly #followers = new Map<string, Follower>();
  readonly #deadlines = new Set<() => void>();

  constructor(parts: RecallDeskParts) {
    this.#parts = parts;
  }

  recall(order: RecallOrder, signal: AbortSignal): AsyncIterable<RecallProgress> {
    return this.#begin(this.#parts.newId(), order, this.#parts.clock.nowMs(), signal);
  }

  /** One that a controller heard so long ago, passes on, and follows by what is reported. The same again changes nothing. */
  take(recallId: string, order: RecallOrder, elapsedMs: number): void {
    const { book, clock } = this.#parts;
    if (!book.knows(recallId)) this.#begin(recallId, order, clock.nowMs() - elapsedMs, AbortSignal.abort());
  }

  #begin(
    recallId: string,
    order: RecallOrder,
    arrivedAtMs: number,
    signal: AbortSignal,
  ): AsyncIterable<RecallProgress> {
    const { table, book, logger } = this.#parts;
    if (book.isFull()) throw new GleanerError("TOO_MANY_RECALLS", { countMax: book.standing().length });
    const devices = this.#devicesOf(order);
    const recalls = devices.map((device) => this.#newRecall(recallId, arrivedAtMs, order, device));
    const progress = new Channel<RecallProgress>(recalls.length * stagesMax, signal);
    this.#followers.set(recallId, { progress, outstanding: new Set(recalls.map(({ device }) => device)) });
    const lent = recalls.filter(({ leaseId }) => leaseId !== "");
    for (const recall of recalls) this.#say(recall, "");
    for (const recall of lent) for (const runner of table.holding(recall.device)) demand(runner, recall);
    for (const recall of lent) this.#watchDeadline(recall);
    // A guest that was frozen already takes no step to tell of.
    for (const recall of book.standing()) if (recall.recallId === recallId) this.#follow(recall, "");
    const { reason } = order;
    logger.info(
      { recallId, devices: devices.length, lent: lent.length, reason },
      "an owner recalls devices here",
    );
    return progress;
  }

  /** Puts the recalls of an earlier agent to the leases that were adopted. */
  takeUp(): void {
    for (const recall of this.#parts.book.standing()) {
      for (const runner of this.#parts.table.holding(recall.device)) demand(runner, recall);
      this.#watchDeadline(recall);
      this.#follow(recall, "");
    }
  }

  /** A lease has moved: whoever recalled its devices hears of it. */
  moved(runner: LeaseRunner): void {
    for (const recall of this.#parts.book.standing())
      if (runner.record.devices.includes(recall.device))
        this.#follow(recall, runner.record.ladder.cause.detail);
  }

  close(): void {
    for (const cancel of this.#deadlines) cancel();
    for (const { progress } of this.#followers.values()) progress.fail(new GleanerError("SERVER_STOPPING"));
  }

  #newRecall(recallId: string, arrivedAtMs: number, order: RecallOrder, device: DeviceInfo): LocalRecall {
    const { table, pools, clock, holdAfterRecallMs } = this.#parts;
    const policy = pools.policyOf(device.pool);
    const leaseId = table.holding(device.uuid)[0]?.record.leaseId ?? "";
    return {
      recallId,
      device: device.uuid,
      arrivedAtMs,
      deadlineMs: order.deadlineMs ?? policy.recallDeadlineMs,
      firstRung: order.firstRung ?? policy.firstRung,
      reason: order.reason,
      holdMs: order.holdMs ?? holdAfterRecallMs,
      leaseId,
      stage: leaseId === "" ? "released" : "accepted",
      releasedAtMs: leaseId === "" ? clock.nowMs() : null,
    };
  }

  #follow(recall: LocalRecall, detail: string): void {
    const states = this.#parts.table
      .holding(recall.device)
      .map((runner) => stages.indexOf(stageOf[runner.state]));
    const stage = stages[Math.min(...states, stages.length - 1)] ?? "released";
    const releasedAtMs = stage === "released" ? this.#parts.clock.nowMs() : null;
    if (stages.indexOf(stage) <= stages.indexOf(recall.stage)) return;
    // Once the deadline is missed, the release only starts the hold: the caller has had its final stage.
    if (recall.stage === "deadline_missed") {
      if (releasedAtMs !== null) this.#parts.book.put({ ...recall, releasedAtMs });
    } else this.#say({ ...recall, stage, releasedAtMs }, detail);
  }

  #say(recall: LocalRecall, detail: string): void {
    this.#parts.book.put(recall);
    this.#parts.report(this.#parts.book.journal(recall));
    const follower = this.#followers.get(recall.recallId);
    if (follower === undefined) return;
    const { recallId, device, stage, leaseId } = recall;
    const outstanding = follower.outstanding.size;
    const final = stage === "released" || stage === "deadline_missed";
    const elapsedMs = this.#parts.clock.nowMs() - recall.arrivedAtMs;
    if (!follower.progress.push({ recallId, device, stage, elapsedMs, leaseId, detail, outstanding }))
      follower.progress.fail(new GleanerError("WATCHER_TOO_SLOW", { count: follower.progress.capacity }));
    if (final) follower.outstanding.delete(device);
    if (follower.outstanding.size > 0) return;
    follower.progress.close();
    this.#followers.delete(recallId);
  }

  #watchDeadline({ recallId, device, arrivedAtMs, deadlineMs }: LocalRecall): void {
    const waitMs = arrivedAtMs + deadlineMs - this.#parts.clock.nowMs();
    const cancel = this.#parts.clock.after(Math.max(0, waitMs), () => {
      this.#deadlines.delete(cancel);
      const standing = this.#parts.book
        .standing()
        .find((each) => each.recallId === recallId && each.device === device);
      if (standing === undefined || standing.stage === "deadline_missed") return;
      this.#parts.logger.error({ recallId, device, deadlineMs }, "a recall missed its deadline");
      this.#say({ ...standing, stage: "deadline_missed" }, "still not released at the deadline");
    });
    this.#deadlines.add(cancel);
  }

  #devicesOf(order: RecallOrder): DeviceInfo[] {
    const { target } = order;
    const covered = this.#parts.devices.all().filter((device) => targetCovers(target, device));
    if (target.kind === "devices") {
      const missing = target.uuids.find((uuid) => this.#parts.devices.get(uuid) === undefined);
      if (missing !== undefined) throw new GleanerError("DEVICE_NOT_FOUND", { uuid: missing });
    }
    if (target.kind !== "pool") return covered;
    if (covered.length === 0) throw new GleanerError("POOL_NOT_FOUND", { pool: target.pool });
    return target.devices === 0 ? covered : this.#cheapest(covered, target.devices, order);
  }

  /** As far as it is known here: neither shares nor what a guest went through before. */
  #cheapest(covered: readonly DeviceInfo[], count: number, order: RecallOrder): DeviceInfo[] {
    const seen = new Map<LeaseRunner, VictimLease>();
    const candidates = covered.map(({ uuid, host, pool }) => ({
      uuid,
      host,
      leases: this.#parts.table.holding(uuid).map((runner) => {
        const victim = seen.get(runner) ?? this.#victim(runner, pool, order);
        seen.set(runner, victim);
        return victim;
      }),
    }));
    const chosen = new Set(chooseVictims(candidates, count).devices);
    return covered.filter(({ uuid }) => chosen.has(uuid));
  }

  #victim(runner: LeaseRunner, pool: string, order: RecallOrder): VictimLease {
    const { record, state } = runner;
    const { rules, demands } = record.ladder;
    const policy = this.#parts.pools.policyOf(pool);
    const recall = {
      firstRung: order.firstRung ?? policy.firstRung,
      deadlineMs: order.deadlineMs ?? policy.recallDeadlineMs,
    };
    const isPaused = state === "paused";
    const noticeMs = noticeLeftMs(recall, rules.vacateFromPause, isPaused, rules.killMarginMs);
    return {
      ...runner.pulse(),
      id: record.leaseId,
      permille: 1_000 * record.devices.length,
      startMs: 0,
      remainingMs: null,
      hasNotice: noticeMs > 0 && noticeMs >= record.noticeMs,
      isLeaving: demands.recalls.length > 0 || state === "vacating" || state === "killing",
      evictions: 0,
      evictionsLeft: Infinity,
    };
  }
}

function demand(runner: LeaseRunner, { recallId, arrivedAtMs, deadlineMs, firstRung }: LocalRecall): void {
  const recall = { recallId, arrivedAtMs, deadlineAtMs: arrivedAtMs + deadlineMs, firstRung };
  runner.dispatch({ type: "recalled", recall });
}
