import type { RuntimeKind } from "../runtime/process-group.ts";
import type { Disk } from "./disk.ts";

/** A guest that somebody else must end where this agent does not. */
export interface Duty {
  /** On the host's clock, ms. */
  readonly killAtMs: number;
  readonly runtime: RuntimeKind;
  /** Handle of its process group. */
  readonly group: string;
}

/** One block: as long as the guests find room in it, a full disk does not matter. */
const bytesMin = 4_096;

/**
 * What the keeper of the host must know, in plain lines: `agent SEQUENCE PID BOOT`, a line `KILL_AT_CS RUNTIME GROUP` for each
 * guest, and `end SEQUENCE`. Two files in turn, each written in place, so that one of them is whole at any time, and telling
 * takes no room on the disk. The sequence is the host's clock, ms, so that it grows from agent to agent.
 */
export class DutyFile {
  readonly #disk: Disk;
  readonly #files: readonly string[];
  readonly #pid: number;
  readonly #bootId: string;
  #sequence = 0;
  #turn = 0;

  constructor(disk: Disk, files: readonly string[], pid: number, bootId: string) {
    this.#disk = disk;
    this.#files = files;
    this.#pid = pid;
    this.#bootId = bootId;
  }

  write(duties: readonly Duty[], nowMs: number): void {
    const sequence = Math.max(this.#sequence + 1, Math.floor(nowMs));
    const lines = [
      `agent ${sequence} ${this.#pid} ${this.#bootId}`,
      ...duties.map(({ killAtMs, runtime, group }) => `${centiseconds(killAtMs)} ${runtime} ${group}`),
      `end ${sequence}`,
    ];
    const text = `${lines.join("\n")}\n`.padEnd(bytesMin, "\n");
    this.#disk.writeInPlace(this.#files[this.#turn]!, text);
    this.#sequence = sequence;
    this.#turn = (this.#turn + 1) % this.#files.length;
  }
}

function centiseconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 10));
}
