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
  #removing = false;

  constructor(dirs: LeaseDirs, countMax: number, logger: Logger) {
    this.#dirs = dirs;
    this.#countMax = countMax;
    this.#logger = logger;
  }

  add({ guestId, attempt }: Attempt): void {
    this.#oldestFirst.push({ guestId, attempt });
    if (!this.#removing) void this.#keepBound();
  }

  /** Room is short: the oldest go before their turn. */
  async shed(count: number): Promise<void> {
    await this.#remove(this.#oldestFirst.splice(0, count));
  }

  /** All that came while the ones before were being deleted goes at once. */
  async #keepBound(): Promise<void> {
    this.#removing = true;
    for (let over = this.#over(); over > 0; over = this.#over())
      await this.#remove(this.#oldestFirst.splice(0, over));
    this.#removing = false;
  }

  #over(): number {
    return this.#oldestFirst.length - this.#countMax;
  }

  async #remove(attempts: readonly Attempt[]): Promise<void> {
    if (attempts.length === 0) return;
    try {
      await this.#dirs.remove(attempts);
    } catch (err) {
      this.#logger.warn({ err, attempts: attempts.length }, "files of ended attempts are left behind");
    }
  }
}
