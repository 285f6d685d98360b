import {
  closeSync,
  existsSync,
  type FSWatcher,
  openSync,
  readSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { makeCgroup, membersOf, removeCgroup, subgroups } from "./cgroup-tree.ts";
import { assertOwn, type ProcessGroup, type Runtime } from "./process-group.ts";

/** Each group is a cgroup below `root`. Needs no controllers, only the core files (cgroup.kill: Linux 5.14). */
export function cgroupV2Runtime(root: string): Runtime {
  return {
    kind: "cgroup-v2",
    create: (name, changed) => new CgroupV2(makeCgroup(root, name), changed),
    reopen: (path, changed) => {
      assertOwn(path, root, "cgroup-v2");
      return existsSync(path) ? new CgroupV2(path, changed) : null;
    },
    existing: () => subgroups(root),
    release: () => {
      if (subgroups(root).length === 0) removeCgroup(root);
    },
  };
}

class CgroupV2 implements ProcessGroup {
  readonly handle: string;
  readonly #freezeFd: number;
  readonly #eventsFd: number;
  readonly #buffer = Buffer.alloc(128);
  /** The kernel notifies of changes of `populated` and `frozen`. */
  readonly #watcher: FSWatcher;

  constructor(path: string, changed: () => void) {
    this.handle = path;
    this.#freezeFd = openSync(join(path, "cgroup.freeze"), "w");
    this.#eventsFd = openSync(join(path, "cgroup.events"), "r");
    this.#watcher = watch(join(path, "cgroup.events"), { persistent: false }, changed);
    // Without the watch the agent still looks by itself, a little later.
    this.#watcher.on("error", changed);
  }

  add(pid: number): void {
    writeFileSync(join(this.handle, "cgroup.procs"), String(pid));
  }

  freeze(): void {
    writeSync(this.#freezeFd, "1", 0);
  }

  isFrozen(): boolean {
    return this.#events().includes("frozen 1");
  }

  thaw(): void {
    writeSync(this.#freezeFd, "0", 0);
  }

  members(): number[] {
    return membersOf(this.handle);
  }

  isEmpty(): boolean {
    return this.#events().includes("populated 0");
  }

  kill(): void {
    writeFileSync(join(this.handle, "cgroup.kill"), "1");
  }

  remove(): void {
    this.close();
    removeCgroup(this.handle);
  }

  close(): void {
    this.#watcher.close();
    closeSync(this.#freezeFd);
    closeSync(this.#eventsFd);
  }

  #events(): string {
    try {
      const bytes = readSync(this.#eventsFd, this.#buffer, 0, this.#buffer.length, 0);
      return this.#buffer.toString("latin1", 0, bytes);
    } catch (thrown) {
      // Somebody removed the cgroup, which the kernel allows for an empty one only.
      if ((thrown as NodeJS.ErrnoException).code === "ENODEV") return "populated 0";
      throw thrown;
    }
  }
}
