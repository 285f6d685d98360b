import type { Logger } from "../../runtime/log.ts";
import { readJson, writeJson } from "./json-file.ts";

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
  readonly #file: string;
  readonly #logger: Logger;

  constructor(file: string, logger: Logger) {
    this.#file = file;
    this.#logger = logger;
  }

  write(renewal: Renewal): void {
    try {
      writeJson(this.#file, renewal);
    } catch (err) {
      this.#logger.error(
        { err },
        "a renewal could not be kept: an agent that is restarted would vacate too early",
      );
    }
  }

  /** null: none of this boot. Throws AGENT_STATE_UNREADABLE. */
  read(bootId: string): Renewal | null {
    const renewal = readJson<Renewal>(this.#file, (value) => value.version === 1);
    return renewal?.bootId === bootId ? renewal : null;
  }
}
