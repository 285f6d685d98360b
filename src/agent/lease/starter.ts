import type { CommandOutcome } from "../../api/convert/lease.ts";
import type { Grant } from "../../core/guest.ts";
import type { GuestSpec, ProcessTemplate } from "../../core/guest.ts";
import { newLadder } from "../../core/ladder-state.ts";
import type { FencingToken } from "../../core/lease.ts";
import { compareTokens } from "../../core/lease.ts";
import type { Logger } from "../../runtime/log.ts";
import type { Fence } from "../disk/fence.ts";
import { attemptName, LeaseDirs } from "../disk/lease-dirs.ts";
import type { Duties } from "../duties.ts";
import type { HostClock } from "../host-clock.ts";
import { guestEnvironment } from "../launch/environment.ts";
import type { Pools } from "../pools.ts";
import type { Runtime } from "../runtime/process-group.ts";
import { noWork } from "../worked-time.ts";
import { LeaseRunner, type RunnerHost } from "./lease-runner.ts";
import type { LeaseTable } from "./lease-table.ts";

/** One loan to be carried out. */
export interface StartOrder {
  readonly leaseId: string;
  readonly token: FencingToken;
  readonly epoch: number;
  readonly guestId: string;
  readonly attempt: number;
  readonly spec: GuestSpec;
  readonly grants: readonly Grant[];
  readonly checkpointIntervalMs: number;
  readonly noticeMs: number;
  /** When the renewal left that the controller acknowledged last: the first term counts from there. */
  readonly termSentAtMs: number;
  readonly termMs: number;
}

export interface CommandAnswer {
  readonly outcome: CommandOutcome;
  readonly detail: string;
}

interface StarterParts {
  readonly table: LeaseTable;
  readonly fence: Fence;
  readonly dirs: LeaseDirs;
  readonly pools: Pools;
  readonly runtime: Runtime;
  readonly duties: Duties;
  readonly runnerHost: RunnerHost;
  readonly clock: HostClock;
  readonly logger: Logger;
  /** The agent's own environment, of which guests see little. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reports that may wait for a controller that acknowledges none; beyond it nothing is started that would make more. */
  readonly reportsMax: number;
  /** Why nothing may be started on a device; null: its owner lets us. */
  readonly ownerObstacle: (device: string) => string | null;
}

/** Starts guests: fenced, owner first, and on disk before anything runs. */
export class Starter {
  readonly #parts: StarterParts;
  #closed = false;
  #launching: Promise<unknown> = Promise.resolve();

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  /** Starts nothing from now on: the agent is about to vacate what it has. */
  close(): void {
    this.#closed = true;
  }

  async start(order: StartOrder): Promise<CommandAnswer> {
    const { workload } = order.spec;
    if (workload.kind !== "process") return { outcome: "failed", detail: "this agent runs processes only" };
    const refusal = this.#refusal(order, workload);
    if (refusal !== null) return refusal;
    const { table, fence, dirs, runnerHost, clock, pools } = this.#parts;
    const devices = order.grants.map((grant) => grant.device);
    const nowMs = clock.nowMs();
    const term = { sentAtMs: order.termSentAtMs, endsAtMs: order.termSentAtMs + order.termMs };
    const record = {
      version: 1 as const,
      leaseId: order.leaseId,
      guestId: order.guestId,
      attempt: order.attempt,
      token: order.token,
      devices,
      noticeMs: order.noticeMs,
      bootId: clock.bootId,
      group: null,
      ladder: newLadder(pools.rulesFor(devices, order.noticeMs), term, nowMs),
      worked: noWork,
      terminatedAtMs: null,
      lastStep: null,
      unacknowledged: [],
    };
    // From here on the device is taken, and an owner who comes meets this lease.
    fence.raise(devices, order.token);
    const runner = new LeaseRunner(record, dirs.pathsOf(record), runnerHost);
    table.add(runner);
    try {
      await Promise.all([fence.save(), dirs.create(record)]);
    } catch (thrown) {
      return this.#giveUp(runner, thrown);
    }
    return this.#inTurn(() =>
      runner.isClosed
        ? { outcome: "failed", detail: "the agent is stopping" }
        : this.#launch(runner, order, workload),
    );
  }

  /** A fork holds up the event loop, by 30 ms and more on a busy host: between two of them owners are heard. */
  #inTurn(launch: () => CommandAnswer): Promise<CommandAnswer> {
    const launched = this.#launching.then(() => this.#parts.clock.turn()).then(launch);
    this.#launching = launched.catch(() => {});
    return launched;
  }

  #refusal(order: StartOrder, { command }: ProcessTemplate): CommandAnswer | null {
    const { table, fence, clock, reportsMax } = this.#parts;
    if (this.#closed) return { outcome: "owner_first", detail: "the agent is stopping" };
    const known = table.get(order.leaseId);
    if (known !== undefined && compareTokens(known.record.token, order.token) === 0)
      return { outcome: "done", detail: "it was started before" };
    // Redis came back older and gave the name again: one of them at a time has the directory and the group.
    if (known !== undefined && known.state !== "released")
      return { outcome: "host_failed", detail: `an earlier lease of this name is ${known.state} here` };
    if (order.epoch < fence.epoch)
      return { outcome: "stale", detail: `epoch ${order.epoch} is older than ${fence.epoch}` };
    const devices = order.grants.map((grant) => grant.device);
    const newer = fence.newerHolder(devices, order.token);
    if (newer !== null) return { outcome: "stale", detail: `a token as new was seen for ${newer}` };
    if (clock.nowMs() >= order.termSentAtMs + order.termMs)
      return { outcome: "stale", detail: "its term was over when it arrived" };
    if (command.length === 0 || devices.length === 0 || !LeaseDirs.isSafe(order.guestId))
      return { outcome: "failed", detail: "the order names no command, no device or no usable guest id" };
    const reports = table.all().reduce((sum, { record }) => sum + record.unacknowledged.length, 0);
    if (reports >= reportsMax)
      return {
        outcome: "host_failed",
        detail: `${reports} reports wait for a controller to acknowledge them`,
      };
    const obstacle = this.#ownerObstacle(devices);
    return obstacle === null ? null : { outcome: "owner_first", detail: obstacle };
  }

  #ownerObstacle(devices: readonly string[]): string | null {
    for (const device of devices) {
      const obstacle = this.#parts.ownerObstacle(device);
      if (obstacle !== null) return `${device}: ${obstacle}`;
    }
    return null;
  }

  #launch(runner: LeaseRunner, order: StartOrder, workload: ProcessTemplate): CommandAnswer {
    const { runtime, runnerHost, env, clock, duties } = this.#parts;
    const { ladder, devices } = runner.record;
    const { demands } = ladder;
    // What was known of the owner may be too old by now: this process, or its disk, may have stood still.
    const ownerCame =
      demands.activitySinceMs !== null ||
      demands.hint !== null ||
      demands.recalls.length > 0 ||
      this.#ownerObstacle(devices) !== null;
    if (ladder.state !== "starting" || ownerCame || clock.nowMs() >= ladder.term.endsAtMs) {
      this.#abandon(runner, "owner", "somebody else came first");
      return { outcome: "owner_first", detail: "it was taken back before it was started" };
    }
    try {
      const group = runtime.create(attemptName(order), () => runner.look());
      runner.attach(group);
      // Nothing runs that nobody would end if this agent were killed now.
      duties.save();
      const { paths, log } = runner;
      const contract = { ...order, checkpointDir: paths.checkpointDir, devices };
      runnerHost.machine.launch(
        {
          command: workload.command,
          env: guestEnvironment(contract, group.handle, workload.env, env),
          workingDir: workload.workingDir === "" ? paths.workingDir : workload.workingDir,
          logFile: log.file,
          exitFile: paths.exitFile,
          pidFile: paths.pidFile,
        },
        group,
        () => runner.look(),
      );
    } catch (thrown) {
      return this.#giveUp(runner, thrown);
    }
    runner.dispatch({ type: "launched" });
    return { outcome: "done", detail: "" };
  }

  /** Nothing was started, and it is this host's fault: its disk is full, or it has no process left to give. */
  #giveUp(runner: LeaseRunner, thrown: unknown): CommandAnswer {
    const { logger } = this.#parts;
    const problem = thrown instanceof Error ? thrown.message : String(thrown);
    logger.error({ err: thrown, lease: runner.record.leaseId }, "this host could not start a guest");
    this.#abandon(runner, "controller", `this host could not start it: ${problem}`);
    return { outcome: "host_failed", detail: problem };
  }

  #abandon(runner: LeaseRunner, mover: "owner" | "controller", detail: string): void {
    const cause = { mover, sinceMs: null, recallId: "", detail } as const;
    if (runner.state === "starting") runner.dispatch({ type: "kill", cause });
    runner.dispatch({ type: "emptied" });
  }
}
