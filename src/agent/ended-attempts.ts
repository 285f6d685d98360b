import type { Logger } from "../runtime/log.ts";
import type { LeaseDirs } from "./disk/lease-dirs.ts";
import type { LeaseRecord } from "./disk/lease-record.ts";

type Attempt = Pick<LeaseRecord, "guestId" | "attempt">;

/** Attempts of which only their logs and working directories are left. The oldest make room for new ones. */
export class EndedAttempts {
  readonly #dirs: LeaseDirs;
  readonly #countMax: number;
  readonly #logger: Logger;
  readonly #oldestFirst: Attempt[] = [];

  constructor(dirs: LeaseDirs, countMax: number, logger: Logger) {
    this.#dirs = dirs;
    this.#countMax = countMax;
    this.#logger = logger;
  }

  add({ guestId, attempt }: Attempt): void {
    this.#oldestFirst.push({ guestId, attempt });
    while (this.#oldestFirst.length > this.#countMax) {
      const oldest = this.#oldestFirst.shift()!;
      this.#dirs
        .remove(oldest)
        .catch((err: unknown) =>
          this.#logger.warn({ err, ...oldest }, "an ended attempt's files are left behind"),
        );
    }
  }
}
