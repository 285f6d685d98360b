import { closeSync, existsSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeCgroup, membersOf, removeCgroup, subgroups, withDescendants } from "./cgroup-tree.ts";
import { assertOwn, type ProcessGroup, type Runtime, signalIfAlive } from "./process-group.ts";

/** Each group is a cgroup below `root` in the v1 freezer hierarchy, which tells nobody of changes: it is asked. */
export function cgroupV1Runtime(root: string): Runtime {
  return {
    kind: "cgroup-v1",
    create: (name) => new CgroupV1(makeCgroup(root, name)),
    reopen: (path) => {
      assertOwn(path, root, "cgroup-v1");
      return existsSync(path) ? new CgroupV1(path) : null;
    },
    existing: () => subgroups(root),
    release: () => {
      if (subgroups(root).length === 0) removeCgroup(root);
    },
  };
}

/** How long `kill` waits for the freeze that keeps a forking guest from outrunning the signals. */
const freezeWaitMsMax = 2;

class CgroupV1 implements ProcessGroup {
  readonly handle: string;
  readonly #stateFd: number;
  readonly #buffer = Buffer.alloc(32);

  constructor(path: string) {
    this.handle = path;
    this.#stateFd = openSync(join(path, "freezer.state"), "r+");
  }

  add(pid: number): void {
    writeFileSync(join(this.handle, "cgroup.procs"), String(pid));
  }

  freeze(): void {
    writeSync(this.#stateFd, "FROZEN", 0);
  }

  /** Reading the state also makes the kernel try again with what has not stopped yet. */
  isFrozen(): boolean {
    const bytes = readSync(this.#stateFd, this.#buffer, 0, this.#buffer.length, 0);
    return this.#buffer.toString("latin1", 0, bytes).startsWith("FROZEN");
  }

  thaw(): void {
    writeSync(this.#stateFd, "THAWED", 0);
  }

  members(): number[] {
    return membersOf(this.handle);
  }

  isEmpty(): boolean {
    // Somebody else may have removed it, which the kernel allows for an empty one only.
    return !existsSync(this.handle) || this.members().length === 0;
  }

  /** A signal acts only after the thaw, and during it nothing may fork: freeze, signal, thaw. */
  kill(): void {
    const untilMs = performance.now() + freezeWaitMsMax;
    this.freeze();
    while (!this.isFrozen() && performance.now() < untilMs);
    for (const pid of this.members()) signalIfAlive(pid, "SIGKILL");
    this.thaw();
    // What a guest froze in a cgroup of its own would not die of the signal.
    for (const group of withDescendants(this.handle).slice(1))
      writeFileSync(join(group, "freezer.state"), "THAWED");
  }

  remove(): void {
    this.close();
    removeCgroup(this.handle);
  }

  close(): void {
    closeSync(this.#stateFd);
  }
}
