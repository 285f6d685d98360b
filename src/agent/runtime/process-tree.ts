import { allProcesses, processEntry, type ProcessEntry, startedWith } from "./proc.ts";
import { assertOwn, type ProcessGroup, type Runtime, signalIfAlive } from "./process-group.ts";

/** Set in the environment of every guest; by it its processes are found where there is no cgroup. */
export const groupVariable = "GLEANER_GROUP";

/**
 * Without cgroups a group is: the session of its first process, and whatever carries its name in the environment, so that
 * a child that left the session is still found. A guest that does both, a new session and a cleaned environment, escapes:
 * this runtime is for machines where the agent may not make cgroups, not for guests that nobody trusts.
 */
export function processTreeRuntime(prefix: string): Runtime {
  return {
    kind: "process-tree",
    create: (name) => new ProcessTree(`${prefix}${name}`),
    reopen: (handle) => {
      assertOwn(handle, prefix, "process-tree");
      return new ProcessTree(handle);
    },
    existing: () => {
      const handles = allProcesses().map(({ pid }) => startedWith(pid, groupVariable) ?? "");
      return [...new Set(handles.filter((handle) => handle.startsWith(prefix)))];
    },
    release: () => {},
  };
}

class ProcessTree implements ProcessGroup {
  readonly handle: string;
  /** Known only to the agent that started it: after a restart the number may be somebody else's. */
  #session: number | null = null;
  #seenStopped = "";
  #witness: number | null = null;

  constructor(handle: string) {
    this.handle = handle;
  }

  add(pid: number): void {
    this.#session = pid;
  }

  freeze(): void {
    this.#seenStopped = "";
    this.#signalSession("SIGSTOP");
    for (const { pid } of this.#entries()) signalIfAlive(pid, "SIGSTOP");
  }

  /**
   * Two looks must find the same processes: one of them may have forked just before it stopped. One in the kernel (D) runs
   * nothing of its own any more, since the signal waits for it; a parent in vfork stays there until its child goes on.
   */
  isFrozen(): boolean {
    const entries = this.#entries();
    for (const { pid, state } of entries) if (!isStopped(state)) signalIfAlive(pid, "SIGSTOP");
    const running = entries.filter(({ state }) => !isStopped(state) && state !== "D");
    const stopped = running.length > 0 ? "" : entries.map((entry) => entry.pid).join(" ");
    const same = stopped !== "" && stopped === this.#seenStopped;
    this.#seenStopped = stopped;
    return same;
  }

  thaw(): void {
    for (const { pid } of this.#entries()) signalIfAlive(pid, "SIGCONT");
  }

  members(): number[] {
    return this.#entries().map((entry) => entry.pid);
  }

  /** The process that was seen last spares the look at all of the host's, as long as it lives. */
  isEmpty(): boolean {
    if (this.#witness !== null && this.#belongs(processEntry(this.#witness))) return false;
    const [first] = this.#entries();
    this.#witness = first?.pid ?? null;
    return first === undefined;
  }

  kill(): void {
    this.#signalSession("SIGKILL");
    for (const { pid } of this.#entries()) signalIfAlive(pid, "SIGKILL");
  }

  remove(): void {
    this.close();
  }

  close(): void {
    this.#session = null;
  }

  /** One call reaches every process of the first process group at once. */
  #signalSession(signal: NodeJS.Signals): void {
    if (this.#session !== null && processEntry(this.#session) !== null) signalIfAlive(-this.#session, signal);
  }

  #entries(): ProcessEntry[] {
    return allProcesses().filter((entry) => this.#belongs(entry));
  }

  #belongs(entry: ProcessEntry | null): boolean {
    if (entry === null || entry.state === "Z" || entry.state === "X") return false;
    return entry.session === this.#session || startedWith(entry.pid, groupVariable) === this.handle;
  }
}

function isStopped(state: string): boolean {
  return state === "T" || state === "t";
}
