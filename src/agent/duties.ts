import { killedByMs } from "../core/ladder-dues.ts";
import { isLive } from "../core/lease.ts";
import type { Logger } from "../runtime/log.ts";
import type { Duty, DutyFile } from "./disk/duty-file.ts";
import type { HostClock } from "./host-clock.ts";
import type { LeaseTable } from "./lease/lease-table.ts";
import type { RuntimeKind } from "./runtime/process-group.ts";

interface DutiesParts {
  readonly table: LeaseTable;
  readonly file: DutyFile;
  readonly runtime: { readonly kind: RuntimeKind };
  readonly clock: HostClock;
  readonly logger: Logger;
}

/** Keeps the keeper told of which guests it must end, and when, if this agent is killed or hangs. */
export class Duties {
  readonly #parts: DutiesParts;
  #told = "";
  #isSaving = false;
  #failed = false;

  constructor(parts: DutiesParts) {
    this.#parts = parts;
  }

  /** The kernel and the owner first: once for all that changes in this turn. */
  changed(): void {
    if (this.#isSaving) return;
    this.#isSaving = true;
    void this.#parts.clock.turn().then(() => this.flush());
  }

  /** While a guest is overdue: says that this agent lives and sees it. */
  lookAfter(): void {
    const nowMs = this.#parts.clock.nowMs();
    if (this.#failed || this.#duties().some(({ killAtMs }) => killAtMs <= nowMs)) this.#told = "";
    this.flush();
  }

  flush(): void {
    this.#isSaving = false;
    try {
      this.save();
      this.#failed = false;
    } catch (err) {
      if (!this.#failed)
        this.#parts.logger.error(
          { err },
          "the keeper could not be told: it may end guests before their time",
        );
      this.#failed = true;
    }
  }

  /** Told when it returns. Throws where it cannot be. */
  save(): void {
    const { file, clock } = this.#parts;
    const duties = this.#duties();
    const told = JSON.stringify(duties);
    if (told === this.#told) return;
    file.write(duties, clock.nowMs());
    this.#told = told;
  }

  #duties(): Duty[] {
    const { table, runtime } = this.#parts;
    return table.all().flatMap(({ state, record }) => {
      const { group, ladder } = record;
      if (!isLive(state) || group === null) return [];
      // The agent itself comes first, and the keeper before any deadline.
      const killAtMs = killedByMs(ladder) + ladder.rules.killMarginMs / 2;
      return [{ killAtMs, runtime: runtime.kind, group }];
    });
  }
}
