import type { ProcessGroup, Runtime } from "../../../src/agent/runtime/process-group.ts";
import type { Host } from "./host.ts";
import type { Random } from "./random.ts";
import type { Cancel, Scheduler } from "./scheduler.ts";

/** How a guest's program behaves. Ms of the world. */
export interface Program {
  readonly workMs: number;
  readonly checkpointEveryMs: number;
  /** From SIGTERM to its exit with a checkpoint; Infinity: it does not listen. */
  readonly leavesAfterMs: number;
  /** From SIGKILL until the kernel has taken it off the device; long where a driver call hangs. */
  readonly diesAfterMs: number;
  /** With which code it ends when its work is done; other than 0: it fails, every time. */
  readonly exitCode: number;
  /** A child of its own group that outlives it by so much. */
  readonly childOutlivesMs: number;
}

/** What is left of a guest's work between its attempts. */
export interface Checkpoint {
  readonly workMs: number;
  readonly wallMs: number;
}

/** The truth about guests' processes, told by nobody but the processes themselves. */
export interface Witness {
  started(process: GuestProcess): void;
  /** No process of the attempt is left. */
  gone(process: GuestProcess): void;
}

export interface GuestStart {
  /** Of the program. */
  readonly name: string;
  readonly guestId: string;
  readonly attempt: number;
  readonly devices: readonly string[];
  readonly program: Program;
  /** Its main process has ended; the exit status is on disk. */
  readonly ended: (status: number) => void;
}

/** One attempt as it really runs. */
export class GuestProcess {
  readonly start: GuestStart;
  readonly host: Host;
  readonly mainPid: number;
  readonly launcherPid: number;
  readonly startedAtMs: number;
  readonly #kernel: Kernel;
  readonly #alive: Set<number>;
  #isFrozen = false;
  #workMs: number;
  #ranSinceMs: number;
  #leaving = false;
  #dying = false;
  #status: number | null = null;
  #thawedAtMs: number;
  #due: Cancel[] = [];

  constructor(kernel: Kernel, start: GuestStart, launcherPid: number, mainPid: number) {
    this.#kernel = kernel;
    this.start = start;
    this.host = kernel.host;
    this.launcherPid = launcherPid;
    this.mainPid = mainPid;
    this.#alive = new Set([launcherPid, mainPid]);
    this.#workMs = kernel.checkpoints.get(start.guestId)?.workMs ?? 0;
    this.startedAtMs = kernel.scheduler.nowMs;
    this.#ranSinceMs = this.startedAtMs;
    this.#thawedAtMs = this.startedAtMs;
    this.#plan();
  }

  get pids(): number[] {
    return [...this.#alive];
  }

  get isGone(): boolean {
    return this.#alive.size === 0;
  }

  get isDying(): boolean {
    return this.#dying;
  }

  get isLeaving(): boolean {
    return this.#leaving;
  }

  /** Its program came to its end, with exit code 0. */
  get completed(): boolean {
    return this.#status === 0;
  }

  get hasFailed(): boolean {
    return this.#status !== null && this.#status !== 0 && this.#status !== 85;
  }

  /** How long it has been running since it was last frozen or thawed. */
  get ranForMs(): number {
    return this.#isFrozen ? 0 : this.#kernel.scheduler.nowMs - this.#thawedAtMs;
  }

  /** It uses the device now. */
  get isComputing(): boolean {
    return !this.isGone && !this.#isFrozen;
  }

  setFrozen(isFrozen: boolean): void {
    if (this.#isFrozen === isFrozen) return;
    this.#progress();
    this.#isFrozen = isFrozen;
    this.#thawedAtMs = this.#kernel.scheduler.nowMs;
    this.#plan();
  }

  terminate(): void {
    this.#progress();
    this.#leaving = true;
    this.#plan();
  }

  kill(): void {
    if (this.isGone || this.#dying) return;
    this.#progress();
    this.#dying = true;
    this.#plan();
    this.#kernel.scheduler.after(this.start.program.diesAfterMs, () => this.#vanish([...this.#alive]));
  }

  /** The machine itself went down. */
  vanish(): void {
    for (const cancel of this.#due.splice(0)) cancel();
    this.#vanish([...this.#alive]);
  }

  #progress(): void {
    const { nowMs } = this.#kernel.scheduler;
    if (!this.#isFrozen && this.#alive.has(this.mainPid)) {
      const every = this.start.program.checkpointEveryMs;
      const before = Math.floor(this.#workMs / every);
      this.#workMs += nowMs - this.#ranSinceMs;
      if (Math.floor(this.#workMs / every) > before)
        this.#checkpoint(Math.floor(this.#workMs / every) * every);
    }
    this.#ranSinceMs = nowMs;
  }

  #checkpoint(workMs: number): void {
    const behindMs = this.#workMs - workMs;
    const wallMs = this.host.wallMs() - behindMs;
    this.#kernel.checkpoints.set(this.start.guestId, { workMs, wallMs });
  }

  #plan(): void {
    for (const cancel of this.#due.splice(0)) cancel();
    if (this.#isFrozen || this.#dying || !this.#alive.has(this.mainPid)) return;
    const { program } = this.start;
    const after = (ms: number, act: () => void) => this.#due.push(this.#kernel.scheduler.after(ms, act));
    after(Math.max(0, program.workMs - this.#workMs), () => this.#exit(program.exitCode));
    if (this.#leaving && Number.isFinite(program.leavesAfterMs))
      after(program.leavesAfterMs, () => {
        this.#progress();
        this.#checkpoint(this.#workMs);
        this.#exit(85);
      });
  }

  #exit(status: number): void {
    this.#progress();
    this.#status = status;
    for (const cancel of this.#due.splice(0)) cancel();
    const { childOutlivesMs } = this.start.program;
    if (childOutlivesMs > 0) {
      const child = this.#kernel.newPid();
      this.#alive.add(child);
      this.#kernel.scheduler.after(childOutlivesMs, () => this.#vanish([child]));
    }
    this.start.ended(status);
    this.#vanish([this.mainPid, this.launcherPid]);
  }

  #vanish(pids: readonly number[]): void {
    const was = this.isGone;
    for (const pid of pids) this.#alive.delete(pid);
    if (!was && this.isGone) this.#kernel.witness.gone(this);
    this.#kernel.changed(this);
  }
}

/** Groups of processes on one machine. They live on whatever becomes of the agent that made them. */
export class Kernel {
  readonly host: Host;
  readonly scheduler: Scheduler;
  readonly witness: Witness;
  /** By guest; on a directory that hosts share, or this host's own. */
  readonly checkpoints: Map<string, Checkpoint>;
  readonly #random: Random;
  readonly #groups = new Map<string, SimGroup>();
  #pids = 100;

  constructor(
    host: Host,
    scheduler: Scheduler,
    random: Random,
    witness: Witness,
    checkpoints: Map<string, Checkpoint>,
  ) {
    this.host = host;
    this.scheduler = scheduler;
    this.#random = random;
    this.witness = witness;
    this.checkpoints = checkpoints;
  }

  newPid(): number {
    this.#pids += 1;
    return this.#pids;
  }

  /** How long the kernel takes to stop every process of a group. */
  freezeMs(): number {
    return this.#random.exponential(2);
  }

  processes(): GuestProcess[] {
    return [...this.#groups.values()].flatMap(({ process }) => (process === null ? [] : [process]));
  }

  find(pid: number): GuestProcess | undefined {
    return this.processes().find((process) => process.pids.includes(pid));
  }

  launch(start: GuestStart, group: ProcessGroup): { launcher: number; main: number } {
    const made = this.#groups.get(group.handle);
    if (made === undefined) throw new Error(`no group ${group.handle}`);
    const [launcher, main] = [this.newPid(), this.newPid()];
    made.process = new GuestProcess(this, start, launcher, main);
    this.witness.started(made.process);
    return { launcher, main };
  }

  changed(process: GuestProcess): void {
    for (const group of this.#groups.values()) if (group.process === process) group.changed?.();
  }

  /** All of them end with the machine. */
  reboot(): void {
    for (const process of this.processes()) process.vanish();
    this.#groups.clear();
  }

  /** As an agent sees it; `deliver` brings what the kernel tells to the agent, if it still lives. */
  runtime(deliver: (act: () => void) => void): Runtime {
    const groups = this.#groups;
    const open = (handle: string, changed: () => void): ProcessGroup => {
      const group = groups.get(handle) ?? new SimGroup(this, handle);
      groups.set(handle, group);
      group.changed = () => deliver(changed);
      return group;
    };
    return {
      kind: "cgroup-v2",
      create: (name, changed) => open(name, changed),
      reopen: (handle, changed) => (groups.has(handle) ? open(handle, changed) : null),
      existing: () => [...groups.keys()],
      release: () => {},
    };
  }

  killGroup(handle: string): void {
    this.#groups.get(handle)?.kill();
  }

  remove(handle: string): void {
    this.#groups.delete(handle);
  }
}

class SimGroup implements ProcessGroup {
  readonly handle: string;
  readonly #kernel: Kernel;
  process: GuestProcess | null = null;
  changed: (() => void) | null = null;
  #wanted: "frozen" | "thawed" = "thawed";
  #isFrozen = false;

  constructor(kernel: Kernel, handle: string) {
    this.#kernel = kernel;
    this.handle = handle;
  }

  add(): void {}

  freeze(): void {
    if (this.#wanted === "frozen") return;
    this.#wanted = "frozen";
    this.#kernel.scheduler.after(this.#kernel.freezeMs(), () => {
      if (this.#wanted !== "frozen") return;
      this.#isFrozen = true;
      this.process?.setFrozen(true);
      this.changed?.();
    });
  }

  isFrozen(): boolean {
    return this.#isFrozen;
  }

  thaw(): void {
    this.#wanted = "thawed";
    this.#isFrozen = false;
    this.process?.setFrozen(false);
  }

  members(): number[] {
    return this.process?.pids ?? [];
  }

  isEmpty(): boolean {
    return this.process?.isGone ?? true;
  }

  kill(): void {
    this.process?.kill();
  }

  remove(): void {
    this.#kernel.remove(this.handle);
  }

  close(): void {
    this.changed = null;
  }
}
