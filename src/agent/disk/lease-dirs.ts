import { dirname, join } from "node:path";
import type { Disk } from "./disk.ts";
import { readJson } from "./json-file.ts";
import { isLeaseRecord, type LeaseRecord } from "./lease-record.ts";

/** Where an attempt's files lie. */
export interface AttemptPaths {
  readonly dir: string;
  readonly workingDir: string;
  readonly stateFile: string;
  readonly pidFile: string;
  readonly exitFile: string;
  /** Of the guest, not of the attempt: it outlives it. */
  readonly checkpointDir: string;
}

/** Guests' ids become names of files and cgroups. */
const safeName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * The agent's directory:
 * `guests/ID/ATTEMPT/` state, log and working directory of each attempt; `exits/` exit statuses, in one directory so that
 * one watch sees them all; `checkpoints/ID/` of each guest, which outlives its attempts; `kept/ID` says that this agent made
 * it: where hosts share the checkpoints, others' directories lie beside it, and this agent deletes its own guests' only.
 */
export class LeaseDirs {
  readonly exits: string;
  readonly #disk: Disk;
  readonly #guests: string;
  readonly #checkpoints: string;
  readonly #kept: string;

  constructor(disk: Disk, dataDir: string, checkpointsDir: string) {
    this.#disk = disk;
    this.#guests = join(dataDir, "guests");
    this.exits = join(dataDir, "exits");
    this.#checkpoints = checkpointsDir;
    this.#kept = join(dataDir, "kept");
    for (const dir of [this.#guests, this.exits, this.#checkpoints, this.#kept]) disk.makeDir(dir);
  }

  static isSafe(guestId: string): boolean {
    return safeName.test(guestId);
  }

  pathsOf({ guestId, attempt }: Pick<LeaseRecord, "guestId" | "attempt">): AttemptPaths {
    const dir = join(this.#guests, guestId, String(attempt));
    return {
      dir,
      workingDir: join(dir, "work"),
      stateFile: join(dir, "state.json"),
      pidFile: join(dir, "pid"),
      exitFile: join(this.exits, attemptName({ guestId, attempt })),
      checkpointDir: join(this.#checkpoints, guestId),
    };
  }

  /** On disk when it resolves; the directories are there then, too. */
  async create(record: LeaseRecord): Promise<void> {
    const paths = this.pathsOf(record);
    this.#disk.makeDir(paths.workingDir);
    this.#disk.makeDir(paths.checkpointDir);
    this.#disk.write(join(this.#kept, record.guestId), "");
    await this.#disk.removeFile(paths.exitFile);
    await this.#disk.writeDurably(paths.stateFile, JSON.stringify(record));
  }

  save(record: LeaseRecord): void {
    this.#disk.write(this.pathsOf(record).stateFile, JSON.stringify(record));
  }

  /** Attempts of one guest that have a directory here, latest first. */
  attemptsOf(guestId: string): number[] {
    if (!LeaseDirs.isSafe(guestId)) return [];
    const names = this.#disk.list(join(this.#guests, guestId));
    return names
      .map(Number)
      .filter(Number.isInteger)
      .toSorted((a, b) => b - a);
  }

  /** Every record, oldest first. One that cannot be read goes to `unreadable` and stops nothing. */
  loadAll(unreadable: (thrown: unknown) => void): LeaseRecord[] {
    const found: { record: LeaseRecord; changedMs: number }[] = [];
    for (const guestId of this.#disk.list(this.#guests))
      for (const attempt of this.attemptsOf(guestId)) {
        const { stateFile } = this.pathsOf({ guestId, attempt });
        try {
          const record = readJson<LeaseRecord>(this.#disk, stateFile, isLeaseRecord);
          if (record !== null) found.push({ record, changedMs: this.#disk.modifiedMs(stateFile) ?? 0 });
        } catch (thrown) {
          unreadable(thrown);
        }
      }
    return found.toSorted((a, b) => a.changedMs - b.changedMs).map(({ record }) => record);
  }

  /** Forgets attempts whose ends are acknowledged: logs, working directories and states. */
  async remove(attempts: readonly Pick<LeaseRecord, "guestId" | "attempt">[]): Promise<void> {
    const paths = attempts.map((attempt) => this.pathsOf(attempt));
    await Promise.all(paths.map(({ exitFile }) => this.#disk.removeFile(exitFile)));
    await this.#disk.removeTrees(paths.map(({ dir }) => dir));
    // The guest's own directory goes with its last attempt.
    for (const { dir } of paths) await this.#disk.removeEmptyDir(dirname(dir));
  }

  /** Guests whose checkpoints this agent keeps. */
  keptGuests(): string[] {
    return this.#disk.list(this.#kept).filter((id) => LeaseDirs.isSafe(id));
  }

  /** Deletes guests' checkpoints. Rejects when some are left behind; those stay among the kept. */
  async forget(guestIds: readonly string[]): Promise<void> {
    const dirs = guestIds.map((id) => join(this.#checkpoints, id));
    try {
      await this.#disk.removeTrees(dirs);
    } finally {
      const gone = guestIds.filter((_, index) => this.#disk.modifiedMs(dirs[index]!) === null);
      await Promise.all(gone.map((id) => this.#disk.removeFile(join(this.#kept, id))));
    }
  }

  /** Free part of the file system that holds the checkpoints, as guests may use it; 0 to 1. */
  freeShare(): Promise<number> {
    return this.#disk.freeShare(this.#checkpoints);
  }
}

/** Names an attempt in the file system, and the lease by the names that are found there. */
export function attemptName({ guestId, attempt }: Pick<LeaseRecord, "guestId" | "attempt">): string {
  return `${guestId}.${attempt}`;
}
