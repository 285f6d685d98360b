import type { Disk } from "../../../src/agent/disk/disk.ts";
import type { Life } from "./process.ts";

interface Kept {
  readonly text: string;
  readonly wallMs: number;
}

/** The files of one machine: what an agent wrote outlives the agent; only what was synced outlives the machine's fall. */
export class Files {
  readonly #now = new Map<string, Kept>();
  readonly #synced = new Map<string, Kept>();
  readonly #watchers = new Map<string, (name: string) => void>();
  isFull = false;
  /** Look on from outside. */
  readonly onlookers = new Set<(file: string, text: string) => void>();

  /** The machine fell. */
  lose(): void {
    this.#now.clear();
    for (const [file, kept] of this.#synced) this.#now.set(file, kept);
    this.#watchers.clear();
  }

  read(file: string): string | null {
    return this.#now.get(file)?.text ?? null;
  }

  write(file: string, text: string, wallMs: number): void {
    if (this.isFull) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
    this.force(file, text, wallMs);
  }

  /** What finds room on a full disk, being small or elsewhere. */
  force(file: string, text: string, wallMs: number): void {
    this.#now.set(file, { text, wallMs });
    for (const seen of this.onlookers) seen(file, text);
    const slash = file.lastIndexOf("/");
    this.#watchers.get(file.slice(0, slash))?.(file.slice(slash + 1));
  }

  sync(file: string): void {
    const kept = this.#now.get(file);
    if (kept !== undefined) this.#synced.set(file, kept);
  }

  remove(path: string): void {
    for (const files of [this.#now, this.#synced])
      for (const file of files.keys()) if (file === path || file.startsWith(`${path}/`)) files.delete(file);
  }

  /** Names of what lies in a directory. */
  list(dir: string): string[] {
    const names = new Set<string>();
    for (const file of this.#now.keys())
      if (file.startsWith(`${dir}/`)) names.add(file.slice(dir.length + 1).split("/", 1)[0]!);
    return [...names];
  }

  modifiedMs(file: string): number | null {
    return this.#now.get(file)?.wallMs ?? null;
  }

  newestMs(dir: string): number | null {
    const times = [...this.#now].flatMap(([file, { wallMs }]) =>
      file.startsWith(`${dir}/`) ? [wallMs] : [],
    );
    return times.length === 0 ? null : Math.max(...times);
  }

  watch(dir: string, changed: (name: string) => void): void {
    this.#watchers.set(dir, changed);
  }

  /** As one agent uses them. */
  disk(life: Life, syncMs: () => number): Disk {
    return {
      read: (file) => this.read(file),
      write: (file, text) => this.write(file, text, life.clock.wallMs()),
      writeDurably: async (file, text) => {
        await life.waits(syncMs());
        this.write(file, text, life.clock.wallMs());
        this.sync(file);
      },
      writeInPlace: (file, text) => {
        if (this.read(file) === null) this.write(file, text, life.clock.wallMs());
        else this.force(file, text, life.clock.wallMs());
      },
      makeDir: () => {},
      list: (dir) => this.list(dir),
      modifiedMs: (file) => this.modifiedMs(file),
      newestMs: async (dir) => this.newestMs(dir),
      removeFile: async (file) => {
        await life.waits(syncMs());
        this.remove(file);
      },
      removeEmptyDir: async () => {},
      removeTrees: async (dirs) => {
        await life.waits(syncMs());
        for (const dir of dirs) this.remove(dir);
      },
      freeShare: async () => (this.isFull ? 0 : 1),
      watch: (dir, changed) => {
        this.watch(dir, (name) => life.after(0, () => changed(name)));
        return () => this.#watchers.delete(dir);
      },
      close: async () => {},
    };
  }
}
