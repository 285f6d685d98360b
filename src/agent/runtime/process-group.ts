import { GleanerError } from "../../errors/gleaner-error.ts";

/**
 * All processes of one attempt, as the host sees them. The calls that take compute back are synchronous: nothing may come
 * between an owner's signal and the kernel.
 */
export interface ProcessGroup {
  /** By which `Runtime.reopen` finds it after the agent's restart. */
  readonly handle: string;
  /** Puts a process in that has no children yet; what it starts from then on belongs to the group. */
  add(pid: number): void;
  /** Asks for the freeze; `isFrozen` tells when every process has stopped. */
  freeze(): void;
  isFrozen(): boolean;
  thaw(): void;
  /** Living processes; zombies do not count. */
  members(): number[];
  isEmpty(): boolean;
  /** SIGKILL to every process, effective also while frozen. Repeat it until `isEmpty`. */
  kill(): void;
  /** Gives the kernel's and the process's resources back; the group must be empty. */
  remove(): void;
  /** Gives only our own handles back: the processes go on. */
  close(): void;
}

export type RuntimeKind = "cgroup-v2" | "cgroup-v1" | "process-tree";

export interface Runtime {
  readonly kind: RuntimeKind;
  /** A new, empty group. `changed` is called when it may have been frozen or emptied; not every runtime can tell. */
  create(name: string, changed: () => void): ProcessGroup;
  /** A group of an earlier agent; null when nothing is left of it. */
  reopen(handle: string, changed: () => void): ProcessGroup | null;
  /** Handles of all groups of this agent that still exist. */
  existing(): string[];
  /** Leaves nothing of its own on the host where no group is left. */
  release(): void;
}

/** Throws RUNTIME_UNAVAILABLE for a group that another runtime made: its processes would be out of our hands. */
export function assertOwn(handle: string, prefix: string, runtime: RuntimeKind): void {
  if (!handle.startsWith(prefix))
    throw new GleanerError("RUNTIME_UNAVAILABLE", { runtime, problem: `${handle} was made by another one` });
}

/** A signal to a process that may have ended meanwhile. */
export function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}
