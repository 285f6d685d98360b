import type { LeaseStep } from "../../api/convert/lease.ts";
import type { LadderStep } from "../../core/ladder.ts";
import type { LeaseEnd } from "../../core/lease.ts";
import type { Logger } from "../../runtime/log.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { LeaseRecord } from "../disk/lease-record.ts";

interface JournalParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** To disk, at once. */
  readonly save: (record: LeaseRecord) => void;
  /** A step that is kept and may be sent. */
  readonly report: (step: LeaseStep) => void;
}

/** Steps of one lease that are kept for a controller that acknowledges none. */
const unacknowledgedMax = 1_000;

/** What is known of one lease, and the steps that the controller must hear of: on disk first, then on their way. */
export class LeaseJournal {
  readonly #parts: JournalParts;
  #record: LeaseRecord;
  readonly #unreported: LeaseStep[] = [];
  #isSaving = false;

  constructor(record: LeaseRecord, parts: JournalParts) {
    this.#record = record;
    this.#parts = parts;
  }

  get record(): LeaseRecord {
    return this.#record;
  }

  /** In memory; `saveSoon` makes it outlive the agent. */
  set(change: Partial<LeaseRecord>): void {
    this.#record = { ...this.#record, ...change };
  }

  addStep({ state, cause }: LadderStep, atMs: number, end: LeaseEnd | null): void {
    const { leaseId, token, devices, lastStep, unacknowledged } = this.#record;
    const step: LeaseStep = {
      leaseId,
      token,
      step: (lastStep?.step ?? 0) + 1,
      state,
      atMs,
      mover: cause.mover,
      detail: cause.detail,
      signalToStepMs: cause.sinceMs === null ? null : Math.max(0, atMs - cause.sinceMs),
      recallId: cause.recallId,
      devices,
      end,
    };
    const kept = [...unacknowledged, step].slice(-unacknowledgedMax);
    if (kept.length === unacknowledged.length)
      this.#parts.logger.error(
        { lease: leaseId, unacknowledgedMax },
        "the oldest step was dropped unacknowledged",
      );
    this.set({ lastStep: step, unacknowledged: kept });
    this.#unreported.push(step);
  }

  /** The controller has it in its books; true when nothing more is to be said of this lease. */
  acknowledge(step: number): boolean {
    const unacknowledged = this.#record.unacknowledged.filter((kept) => kept.step > step);
    if (unacknowledged.length < this.#record.unacknowledged.length) {
      this.set({ unacknowledged });
      this.saveSoon();
    }
    return unacknowledged.length === 0 && this.#record.lastStep?.state === "released";
  }

  /** The kernel first, for this lease and for all that the same owner recalls: nobody waits for the disk. */
  saveSoon(): void {
    if (this.#isSaving) return;
    this.#isSaving = true;
    void this.#parts.clock.turn().then(() => {
      if (this.#isSaving) this.save();
    });
  }

  save(): void {
    this.#isSaving = false;
    try {
      this.#parts.save(this.#record);
    } catch (err) {
      // A full disk must not keep an owner waiting: the step is reported all the same, and kept in memory.
      this.#parts.logger.error({ err, lease: this.#record.leaseId }, "a lease's state could not be kept");
    }
    for (const step of this.#unreported.splice(0)) this.#parts.report(step);
  }

  close(): void {
    if (this.#isSaving) this.save();
  }
}
