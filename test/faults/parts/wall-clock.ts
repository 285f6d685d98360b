import { spawnSync } from "node:child_process";
import { globSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

let library = found();
let tried = "it is not installed (apt: libfaketime)";

function found(): string | undefined {
  return globSync("/usr/lib/*/faketime/libfaketimeMT.so.1")[0];
}

/** Installs libfaketime where it is missing and may be installed. */
export function prepareWallClocks(): void {
  if (library !== undefined || process.getuid?.() !== 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const words of [["update"], ["install", "-y", "--no-install-recommends", "libfaketime"]]) {
    const { status, error } = spawnSync("apt-get", ["-q", ...words], { env, timeout: 60_000 });
    if (status !== 0) tried = `apt-get ${words[0]}: ${error?.message ?? `exit status ${status}`}`;
    if (status !== 0) return;
  }
  library = found();
}

/** Why wall clocks cannot be moved here; null: they can. */
export function noWallClock(): string | null {
  return library === undefined ? `no libfaketime: ${tried}` : null;
}

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
