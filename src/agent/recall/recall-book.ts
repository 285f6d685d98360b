import { z } from "zod";
import { isFinalStage, type LocalRecallStep } from "../../api/convert/recall.ts";
import type { RecallStage } from "../../api/ports.ts";
import type { Rung } from "../../core/policy.ts";
import type { Logger } from "../../runtime/log.ts";
import type { Disk } from "../disk/disk.ts";
import { readJson } from "../disk/json-file.ts";
import type { HostClock } from "../host-clock.ts";

/** A recall of one device that this agent took itself. Times on the host's clock, ms. */
export interface LocalRecall {
  readonly recallId: string;
  readonly device: string;
  readonly arrivedAtMs: number;
  readonly deadlineMs: number;
  readonly firstRung: Rung;
  readonly reason: string;
  readonly holdMs: number;
  /** Empty: the device was not lent. */
  readonly leaseId: string;
  readonly stage: RecallStage;
  /** When the device was released; until then, and then for `holdMs`, nothing is started on it. */
  readonly releasedAtMs: number | null;
}

interface BookState {
  readonly version: 1;
  readonly bootId: string;
  readonly standing: readonly LocalRecall[];
  readonly restsUntilMs: Readonly<Record<string, number>>;
  readonly unacknowledged: readonly LocalRecallStep[];
}

/** Recalled devices that may stand at once; an owner who asks for more is refused rather than forgotten. */
const standingMax = 10_000;

/** What owners recalled here, and what the controller does not know of it yet; on disk soon after each change. */
export class RecallBook {
  readonly #disk: Disk;
  readonly #file: string;
  readonly #clock: HostClock;
  readonly #logger: Logger;
  readonly #entriesMax: number;
  readonly #standing = new Map<string, LocalRecall>();
  /** Released devices on which nothing is started yet. */
  readonly #restsUntilMs = new Map<string, number>();
  readonly #unacknowledged: LocalRecallStep[] = [];
  #isSaving = false;

  /** Throws AGENT_STATE_UNREADABLE. */
  constructor(disk: Disk, file: string, clock: HostClock, logger: Logger, entriesMax: number) {
    this.#disk = disk;
    this.#file = file;
    this.#clock = clock;
    this.#logger = logger;
    this.#entriesMax = entriesMax;
    const state = readJson<BookState>(disk, file, isBookState);
    if (state === null) return;
    // After a restart of the host nothing is lent and its times mean nothing: what was recalled has long been given back,
    // and Hello says so. Only what came to its end before is still told.
    const isSameBoot = state.bootId === clock.bootId;
    const ended = new Set(state.unacknowledged.filter(({ stage }) => isFinalStage(stage)).map(keyOf));
    this.#unacknowledged.push(...state.unacknowledged.filter((step) => isSameBoot || ended.has(keyOf(step))));
    if (!isSameBoot) return;
    for (const recall of state.standing) this.#standing.set(keyOf(recall), recall);
    for (const [device, untilMs] of Object.entries(state.restsUntilMs))
      this.#restsUntilMs.set(device, untilMs);
  }

  /** Recalls whose device is not released yet. */
  standing(): LocalRecall[] {
    return [...this.#standing.values()];
  }

  knows(recallId: string): boolean {
    return [...this.#standing.values(), ...this.#unacknowledged].some((known) => known.recallId === recallId);
  }

  isFull(): boolean {
    return this.#standing.size >= standingMax;
  }

  unacknowledged(): readonly LocalRecallStep[] {
    return this.#unacknowledged;
  }

  /** Those whose final stage the controller has not acknowledged, each as it stands now. */
  open(): LocalRecallStep[] {
    const open = new Map<string, LocalRecallStep>();
    for (const recall of this.#standing.values())
      if (recall.stage !== "deadline_missed") open.set(keyOf(recall), this.#stepOf(recall));
    for (const step of this.#unacknowledged) if (isFinalStage(step.stage)) open.set(keyOf(step), step);
    return [...open.values()];
  }

  /** Why nothing may be started on the device; null: no recall stands in the way. */
  obstacle(device: string): string | null {
    for (const recall of this.#standing.values())
      if (recall.device === device) return `recall ${recall.recallId} stands`;
    const rests = this.#clock.nowMs() < (this.#restsUntilMs.get(device) ?? -Infinity);
    return rests ? "it was recalled a short while ago" : null;
  }

  /** Keeps a recall as it is now. Once the device is released, only its rest is left of it. */
  put(recall: LocalRecall): void {
    if (recall.releasedAtMs === null) this.#standing.set(keyOf(recall), recall);
    else {
      this.#standing.delete(keyOf(recall));
      const untilMs = recall.releasedAtMs + recall.holdMs;
      this.#restsUntilMs.set(recall.device, Math.max(untilMs, this.#restsUntilMs.get(recall.device) ?? 0));
    }
    this.#saveSoon();
  }

  /** Its stage is news for the controller, repeated until it is acknowledged. */
  journal(recall: LocalRecall): LocalRecallStep {
    const step = this.#stepOf(recall);
    if (this.#unacknowledged.push(step) > this.#entriesMax) {
      this.#unacknowledged.shift();
      this.#logger.error(
        { entriesMax: this.#entriesMax },
        "the journal of recalls is full: the oldest report is dropped",
      );
    }
    this.#saveSoon();
    return step;
  }

  acknowledge(recallId: string, device: string, stage: RecallStage): void {
    const at = this.#unacknowledged.findIndex(
      (step) => step.recallId === recallId && step.device === device && step.stage === stage,
    );
    if (at >= 0) this.#unacknowledged.splice(at, 1);
    this.#saveSoon();
  }

  #stepOf(recall: LocalRecall): LocalRecallStep {
    const atMs = this.#clock.nowMs();
    const { recallId, device, stage, deadlineMs, reason, leaseId, holdMs } = recall;
    const elapsedMs = atMs - recall.arrivedAtMs;
    return { recallId, device, stage, atMs, elapsedMs, deadlineMs, reason, leaseId, holdMs };
  }

  close(): void {
    this.#save();
  }

  /** Guests and callers first: nobody waits for the disk, and many changes make one write. */
  #saveSoon(): void {
    if (this.#isSaving) return;
    this.#isSaving = true;
    void this.#clock.turn().then(() => this.#save());
  }

  #save(): void {
    if (!this.#isSaving) return;
    this.#isSaving = false;
    const nowMs = this.#clock.nowMs();
    for (const [device, untilMs] of this.#restsUntilMs)
      if (nowMs >= untilMs) this.#restsUntilMs.delete(device);
    const state: BookState = {
      version: 1,
      bootId: this.#clock.bootId,
      standing: this.standing(),
      restsUntilMs: Object.fromEntries(this.#restsUntilMs),
      unacknowledged: this.#unacknowledged,
    };
    try {
      this.#disk.write(this.#file, JSON.stringify(state));
    } catch (err) {
      this.#logger.error(
        { err },
        "recalls could not be kept: an agent that is restarted would not know of them",
      );
    }
  }
}

function keyOf({ recallId, device }: Pick<LocalRecall, "recallId" | "device">): string {
  return `${recallId} ${device}`;
}

const recall = z.object({ recallId: z.string(), device: z.string(), stage: z.string() });
const shape = z.object({
  version: z.literal(1),
  bootId: z.string(),
  standing: z.array(recall.extend({ arrivedAtMs: z.number(), deadlineMs: z.number() })),
  restsUntilMs: z.record(z.string(), z.number()),
  unacknowledged: z.array(recall.extend({ atMs: z.number() })),
});

function isBookState(value: unknown): value is BookState {
  return shape.safeParse(value).success;
}
