import { z } from "zod";
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

  /** null: none of this boot, or none that can be read: then terms end as the leases' own records say, which is earlier. */
  read(bootId: string): Renewal | null {
    try {
      const renewal = readJson<Renewal>(this.#disk, this.#file, isRenewal);
      return renewal?.bootId === bootId ? renewal : null;
    } catch (err) {
      this.#logger.error({ err }, "the last renewal cannot be read: guests may be vacated too early");
      return null;
    }
  }
}

const shape = z.object({
  version: z.literal(1),
  bootId: z.string(),
  sentAtMs: z.number(),
  endsAtMs: z.number(),
  leaseIds: z.array(z.string()),
});

function isRenewal(value: unknown): value is Renewal {
  return shape.safeParse(value).success;
}
