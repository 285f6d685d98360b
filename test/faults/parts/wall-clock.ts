import { globSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const library = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1")[0];

/** Why wall clocks cannot be moved here; null: they can. */
export const noWallClock = library === undefined ? "libfaketime is not installed (apt: faketime)" : null;

/** The wall clock of one process, which can jump; monotonic clocks, and the machine's own, stay as they are. */
export class WallClock {
  readonly #file: string;

  constructor(dir: string) {
    this.#file = join(dir, "faketime");
    this.jump(0);
  }

  /** What the process is to be started with. */
  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** From the true time; seen within a second. */
  jump(offsetS: number): void {
    // Never seen half-written.
    writeFileSync(`${this.#file}.new`, `${offsetS < 0 ? "-" : "+"}${Math.abs(offsetS)}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}
