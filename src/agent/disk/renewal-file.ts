import type { Logger } from "../../runtime/log.ts";
import type { Disk } from "./disk.ts";
import { readJson } from "./json-file.ts";

/** The renewal that the controller acknowledged last, for all leases at once. Times on the host's clock, ms. */
export interface Renewal {
  readonly version: 1;
  readonly bootId: string;
  readonly sentAtMs: number;
  readonly endsAtMs: number;
  readonly leaseIds: readonly string[];
}

/** What an agent that was restarted must know of its leases' terms. */
export class RenewalFile {
  readonly #disk: Disk;
  readonly #file: string;
  readonly #logger: Logger;

  constructor(disk: Disk, file: string, logger: Logger) {
    this.#disk = disk;
    this.#file = file;
    this.#logger = logger;
  }

  write(renewal: Renewal): void {
    try {
      this.#disk.write(this.#file, JSON.stringify(renewal));
    } catch (err) {
      this.#logger.error(
        { err },
        "a renewal could not be kept: an agent that is restarted would vacate too early",
      );
    }
  }

  /** null: none of this boot. Throws AGENT_STATE_UNREADABLE. */
  read(bootId: string): Renewal | null {
    const renewal = readJson<Renewal>(this.#disk, this.#file, (value) => value.version === 1);
    return renewal?.bootId === bootId ? renewal : null;
  }
}
