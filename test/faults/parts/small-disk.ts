import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const sizeMiB = 64;

/** A file system of its own that can be filled to the last byte. */
export class SmallDisk implements Disposable {
  readonly dir: string;
  readonly #filler: string;

  private constructor(dir: string) {
    this.dir = dir;
    this.#filler = join(dir, "filler");
  }

  /** Why this machine lets us mount none; null: it does. */
  static refusal(probeDir: string): string | null {
    const disk = SmallDisk.mount(probeDir);
    if (typeof disk === "string") return disk;
    disk[Symbol.dispose]();
    return null;
  }

  static mount(dir: string): SmallDisk | string {
    mkdirSync(dir, { recursive: true });
    const { status, stderr, error } = spawnSync(
      "mount",
      ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "gleaner-faults", dir],
      { encoding: "utf8" },
    );
    return status === 0 ? new SmallDisk(dir) : `mount: ${error?.message ?? stderr.split("\n", 1)[0]}`;
  }

  fill(): void {
    const file = openSync(this.#filler, "w");
    try {
      for (const bytes of [1 << 20, 4_096, 1]) {
        const chunk = Buffer.alloc(bytes);
        try {
          while (writeSync(file, chunk) === chunk.length);
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  [Symbol.dispose](): void {
    spawnSync("umount", ["--lazy", this.dir]);
  }
}
