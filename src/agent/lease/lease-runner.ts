import type { LeaseStep } from "../../api/convert/lease.ts";
import { advance, type LadderStep } from "../../core/ladder.ts";
import { wakeAtMs } from "../../core/ladder-dues.ts";
import type { LadderAction, LadderEvent } from "../../core/ladder-state.ts";
import { isLive, type LeaseEnd, type LeaseState } from "../../core/lease.ts";
import type { Logger } from "../../runtime/log.ts";
import { LeaseJournal } from "./lease-journal.ts";
import type { Disk } from "../disk/disk.ts";
import type { HostClock } from "../host-clock.ts";
import type { AttemptPaths } from "../disk/lease-dirs.ts";
import type { LeaseRecord } from "../disk/lease-record.ts";
import { type ExitStatus, finalExitStatus, readExitStatus } from "../launch/exit-status.ts";
import { launchPids } from "../launch/launch-pids.ts";
import type { AttemptLog } from "../log/guest-log.ts";
import type { Machine } from "../machine.ts";
import type { ProcessGroup } from "../runtime/process-group.ts";
import { notWorking, workedMs, workedSinceMs, working } from "../worked-time.ts";

/** What a runner needs of the agent. */
export interface RunnerHost {
  readonly machine: Machine;
  readonly logger: Logger;
  readonly logBytesMax: number;
  /** To disk, at once. */
  save(record: LeaseRecord): void;
  /** At the moment that a lease changes its state, before anything is written. */
  moved(runner: LeaseRunner, state: LeaseState): void;
  /** What is due of a lease may have changed. */
  rescheduled(): void;
  /** A step is on disk and may be sent. */
  report(step: LeaseStep): void;
}

/** While something is expected of the processes, they are looked at after this long, then ever more rarely. */
const lookMsMin = 1;
const lookMsMax = 250;

/**
 * One lease on this host: carries out what the ladder says, and tells the ladder what the processes do. The way from an
 * event to the kernel is synchronous; disk and reports come after it.
 */
export class LeaseRunner {
  readonly paths: AttemptPaths;
  readonly log: AttemptLog;
  readonly #journal: LeaseJournal;
  #group: ProcessGroup | null = null;
  #mainEnded = false;
  #stopWaking = () => {};
  #stopLooking = () => {};
  #lookMs = lookMsMin;
  /** Wall clock, of the newest file. */
  #checkpointMs: number | null = null;
  #finishing: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #host: RunnerHost;

  constructor(record: LeaseRecord, paths: AttemptPaths, host: RunnerHost) {
    this.#journal = new LeaseJournal(record, { ...host, clock: host.machine.clock });
    this.paths = paths;
    this.log = host.machine.openLog(paths.dir, host.logBytesMax);
    this.#host = host;
  }

  get #clock(): HostClock {
    return this.#host.machine.clock;
  }

  get #disk(): Disk {
    return this.#host.machine.disk;
  }

  get record(): LeaseRecord {
    return this.#journal.record;
  }

  /** This agent has left; whatever happens to the lease now is the next one's. */
  get isClosed(): boolean {
    return this.#closed;
  }

  get state(): LeaseState {
    return this.record.ladder.state;
  }

  /** Work done so far, and of it what is not in a checkpoint, ms; null: there is no checkpoint. */
  pulse(): { workedMs: number; checkpointAgeMs: number | null } {
    const nowMs = this.#clock.nowMs();
    return { workedMs: workedMs(this.record.worked, nowMs), checkpointAgeMs: this.#checkpointAgeMs(nowMs) };
  }

  /** The group is there, and nothing runs in it yet. */
  attach(group: ProcessGroup): void {
    this.#group = group;
    this.#journal.set({ group: group.handle });
  }

  /** Takes up what an earlier agent left. `group` is null where nothing of it exists any more. */
  async adopt(group: ProcessGroup | null, renewal: LadderEvent | null): Promise<void> {
    this.#group = group;
    const { ladder, lastStep } = this.record;
    if (!isLive(ladder.state) && lastStep?.state !== ladder.state)
      this.#finish({ state: ladder.state, cause: ladder.cause }, ladder.stateSinceMs);
    if (this.isGone()) {
      this.#takeOverdue(renewal ?? { type: "tick" });
      this.dispatch({ type: "emptied" }, this.#exitedAtMs());
      await this.#finishing;
      return;
    }
    if (ladder.state === "starting") this.dispatch({ type: "launched" });
    // What the ladder wanted may not have reached the kernel.
    if (ladder.state === "paused" || ladder.freezingSinceMs !== null) group?.freeze();
    if (ladder.state === "vacating") group?.thaw();
    this.dispatch(renewal ?? { type: "tick" });
    this.look();
  }

  /** Proven: no process of the attempt is left. */
  isGone(): boolean {
    return this.#group === null || this.#group.isEmpty();
  }

  dispatch(first: LadderEvent, atMs = this.#clock.nowMs()): void {
    if (this.#closed) return;
    const events = [this.#wentMeanwhile(atMs) ? ({ type: "emptied" } as const) : first];
    const steps: LadderStep[] = [];
    for (let event = events.shift(); event !== undefined; event = events.shift()) {
      const { ladder, actions, steps: taken } = advance(this.record.ladder, event, atMs);
      this.#journal.set({ ladder });
      for (const action of actions) this.#act(action, atMs);
      steps.push(...taken);
      // Often the freeze is seen at once; then one write and one turn do for both.
      if (actions.includes("freeze") && this.#group?.isFrozen() === true) events.push({ type: "frozen" });
    }
    const { state, freezingSinceMs } = this.record.ladder;
    const works = state === "running" && freezingSinceMs === null;
    const { worked } = this.record;
    this.#journal.set({ worked: works ? working(worked, atMs) : notWorking(worked, atMs) });
    for (const step of steps) {
      this.#host.moved(this, step.state);
      if (step.state === "quarantined") this.#shout(step);
      if (isLive(step.state)) this.#journal.addStep(step, atMs, null);
      else this.#finish(step, atMs);
    }
    // Renewals come often and are kept for all leases at once.
    if (steps.length > 0 || first.type !== "renewed") this.#journal.saveSoon();
    this.#schedule();
  }

  /** This process, or the machine, stood still while the proof came due: what can be seen now comes first. */
  #wentMeanwhile(nowMs: number): boolean {
    const { state, proofByMs } = this.record.ladder;
    return state === "killing" && proofByMs !== null && nowMs >= proofByMs && this.isGone();
  }

  /** Sees what has become of the processes. Cheap; called when the kernel or the launcher has news, and now and then. */
  look(): void {
    if (this.#closed || this.#group === null) return;
    if (this.record.ladder.freezingSinceMs !== null && this.#group.isFrozen())
      this.dispatch({ type: "frozen" });
    if (!this.#mainEnded && isLive(this.state)) {
      const status = readExitStatus(this.#disk, this.paths.exitFile);
      this.#mainEnded = status !== null;
      if (status !== null && this.#hasLeftovers())
        this.dispatch({ type: "mainEnded", byNotice: status.signal === "SIGTERM" });
    }
    if (this.state !== "released" && this.isGone()) {
      this.#takeOverdue({ type: "tick" });
      this.dispatch({ type: "emptied" });
    }
    this.#lookAgain();
  }

  /** Catches up with what no event told of, and with timers that stood still while the host slept. */
  sweep(): void {
    if (wakeAtMs(this.record.ladder) <= this.#clock.nowMs()) this.dispatch({ type: "tick" });
    this.look();
  }

  /** The controller has it in its books; true when nothing more is to be said of this lease. */
  acknowledge(step: number): boolean {
    return this.#journal.acknowledge(step);
  }

  async scanCheckpoints(): Promise<void> {
    this.#checkpointMs = await this.#disk.newestMs(this.paths.checkpointDir);
  }

  /** The processes go on; this agent has nothing to do with them any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopWaking();
    this.#stopLooking();
    await this.#finishing;
    this.#journal.close();
    if (this.state !== "released") this.#group?.close();
  }

  /** A guest that left no word of its end was killed from outside: for what was due by then, where something was. */
  #takeOverdue(event: LadderEvent): void {
    if (readExitStatus(this.#disk, this.paths.exitFile) === null) this.dispatch(event);
  }

  #act(action: LadderAction, atMs: number): void {
    this.#lookMs = lookMsMin;
    if (action === "terminate") this.#journal.set({ terminatedAtMs: this.record.terminatedAtMs ?? atMs });
    try {
      if (action === "terminate") this.#terminate();
      else this.#group?.[action]();
    } catch (err) {
      // The ladder goes on: what did not work is followed by the next rung, and a kill is repeated.
      this.#host.logger.error({ err, lease: this.record.leaseId, action }, "the kernel refused");
    }
  }

  #shout({ cause }: LadderStep): void {
    const { leaseId, devices, group } = this.record;
    const pids = this.#group?.members() ?? [];
    this.#host.logger.error(
      { lease: leaseId, devices, group, pids, detail: cause.detail },
      "quarantined: processes outlive SIGKILL, and nothing is lent on their devices",
    );
  }

  /** The launcher itself is about to end when the exit status is there. */
  #hasLeftovers(): boolean {
    const launcher = launchPids(this.#disk, this.paths.pidFile)?.launcher;
    return this.#group?.members().some((pid) => pid !== launcher) === true;
  }

  /** The first process hears the notice, as in a container; once it is gone, whatever is left does. Then it may run. */
  #terminate(): void {
    const members = this.#group?.members() ?? [];
    const main = launchPids(this.#disk, this.paths.pidFile)?.main;
    const hearers = main !== undefined && members.includes(main) ? [main] : members;
    for (const pid of hearers) this.#host.machine.signal(pid, "SIGTERM");
    this.#group?.thaw();
  }

  #finish(step: LadderStep, atMs: number): void {
    this.#finishing = this.#finishing
      .then(() => this.#writeEnd(step, atMs))
      .catch((err: unknown) =>
        this.#host.logger.error({ err, lease: this.record.leaseId }, "an end was not kept"),
      );
  }

  async #writeEnd(step: LadderStep, atMs: number): Promise<void> {
    await this.scanCheckpoints();
    const { group, worked, terminatedAtMs } = this.record;
    const exit = group === null ? null : this.#exitOf(step);
    const end: LeaseEnd = {
      exitCode: exit?.code ?? null,
      exitSignal: exit?.signal ?? "",
      checkpointAgeMs: this.#checkpointAgeMs(atMs),
      workedMs: workedMs(worked, atMs),
      vacateMs: terminatedAtMs === null ? null : atMs - terminatedAtMs,
    };
    this.#journal.addStep(step, atMs, end);
    this.#journal.save();
    if (step.state === "released") this.#group?.remove();
  }

  /** Of a guest that has ended while something that it left does not: what it said counts. null: nobody knows yet. */
  #exitOf({ state }: LadderStep): ExitStatus | null {
    const { exitFile } = this.paths;
    return state === "released"
      ? finalExitStatus(this.#disk, exitFile)
      : readExitStatus(this.#disk, exitFile);
  }

  #checkpointAgeMs(nowMs: number): number | null {
    if (this.#checkpointMs === null) return null;
    return workedSinceMs(this.record.worked, nowMs - (this.#clock.wallMs() - this.#checkpointMs), nowMs);
  }

  #exitedAtMs(): number {
    const nowMs = this.#clock.nowMs();
    const writtenMs = this.#disk.modifiedMs(this.paths.exitFile);
    return writtenMs === null ? nowMs : Math.min(nowMs, nowMs - (this.#clock.wallMs() - writtenMs));
  }

  #schedule(): void {
    this.#host.rescheduled();
    this.#stopWaking();
    const waitMs = wakeAtMs(this.record.ladder) - this.#clock.nowMs();
    if (waitMs < Infinity)
      this.#stopWaking = this.#clock.after(Math.max(0, waitMs), () => this.dispatch({ type: "tick" }));
    this.#lookAgain();
  }

  #lookAgain(): void {
    this.#stopLooking();
    const { state, freezingSinceMs } = this.record.ladder;
    const expecting =
      freezingSinceMs !== null || this.#mainEnded || state === "vacating" || state === "killing";
    if (!expecting || this.#closed || state === "released") return;
    this.#stopLooking = this.#clock.after(this.#lookMs, () => this.look());
    this.#lookMs = Math.min(this.#lookMs * 2, lookMsMax);
  }
}
