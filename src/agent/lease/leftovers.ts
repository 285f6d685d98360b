import type { Logger } from "../../runtime/log.ts";
import type { ProcessGroup } from "../runtime/process-group.ts";

/**
 * Processes that belong to no lease this agent knows and outlive their kill. On which devices they are nobody knows, so
 * nothing is started on any until they are gone (I10).
 */
export class Leftovers {
  #groups: readonly ProcessGroup[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(group: ProcessGroup): void {
    const { handle } = group;
    this.#groups = [...this.#groups, group];
    this.#logger.error(
      { handle, pids: group.members() },
      "processes of no known lease outlive SIGKILL: nothing is lent on this host until they are gone",
    );
  }

  /** Kills them again; to be called at an interval. */
  sweep(): void {
    const left = this.#groups.filter((group) => !group.isEmpty());
    for (const group of left) group.kill();
    for (const group of this.#groups.filter((gone) => !left.includes(gone))) {
      group.remove();
      this.#logger.info({ handle: group.handle }, "the processes of no known lease are gone");
    }
    this.#groups = left;
  }

  /** Why nothing may be started; null: none is left. */
  obstacle(): string | null {
    const [group] = this.#groups;
    return group === undefined ? null : `processes of no known lease are left in ${group.handle}`;
  }

  close(): void {
    for (const group of this.#groups) group.close();
  }
}
