import type { EndedGuests } from "../gen/gleaner/v1/agents.ts";
import type { Logger } from "../runtime/log.ts";
import type { LeaseDirs } from "./disk/lease-dirs.ts";
import type { EndedAttempts } from "./ended-attempts.ts";
import type { HostClock } from "./host-clock.ts";

interface KeptCheckpointsParts {
  readonly dirs: LeaseDirs;
  readonly ended: EndedAttempts;
  readonly clock: HostClock;
  readonly logger: Logger;
  readonly limits: {
    readonly checkpointsKeptMs: number;
    readonly checkpointsKeptMax: number;
    readonly diskFreeShareMin: number;
  };
  /** Guests whose processes run here, or may still: nothing of theirs is touched. */
  readonly present: () => ReadonlySet<string>;
  /** Asks the controller which of them will never run again. */
  readonly ask: (guestIds: string[]) => void;
}

/** How often the controller is asked about every guest that has not ended yet. */
const roundMs = 60_000;
/** Guests in one question. */
const askedMax = 1_000;
/** What goes in one round, oldest first, while the disk is short of room. */
const shedMax = 100;

/**
 * The checkpoints of guests that ran here. Where a guest stands is in the controller's books only, so it is asked; what it
 * does not call ended stays, however old, and nothing is deleted but on an answer to a question about that guest. A
 * question or answer that is lost is repaired by the next round.
 */
export class KeptCheckpoints {
  readonly #parts: KeptCheckpointsParts;
  /** When each guest ended, on the host's clock; null: it may run again, as far as is known. */
  readonly #endedAtMs = new Map<string, number | null>();
  /** An attempt of theirs has just ended. */
  readonly #fresh = new Set<string>();
  #roundAtMs = 0;
  #isShort = false;

  constructor(parts: KeptCheckpointsParts) {
    this.#parts = parts;
    for (const id of parts.dirs.keptGuests()) this.#endedAtMs.set(id, null);
  }

  attemptEnded(guestId: string): void {
    this.#endedAtMs.set(guestId, null);
    this.#fresh.add(guestId);
  }

  /** A controller has taken us in: the next look begins a round. */
  askSoon(): void {
    this.#roundAtMs = 0;
  }

  /** Called every second or so while a controller listens. */
  lookAfter(): void {
    const { clock, logger } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs >= this.#roundAtMs) {
      this.#roundAtMs = nowMs + roundMs;
      this.#beginRound().catch((err: unknown) =>
        logger.error({ err }, "kept checkpoints are not looked after"),
      );
    } else if (this.#fresh.size > 0) this.#ask([...this.#fresh]);
    this.#fresh.clear();
  }

  answered({ guests }: EndedGuests): void {
    const { clock, present } = this.#parts;
    const nowMs = clock.nowMs();
    const here = present();
    const named = guests.filter(({ guestId }) => this.#endedAtMs.has(guestId) && !here.has(guestId));
    for (const { guestId, ageMs } of named)
      this.#endedAtMs.set(guestId, this.#endedAtMs.get(guestId) ?? nowMs - (ageMs ?? 0));
    const due = new Set(this.#due());
    const going = named.map(({ guestId }) => guestId).filter((id) => due.has(id));
    if (going.length === 0) return;
    for (const id of going) this.#endedAtMs.delete(id);
    void this.#forget(going);
  }

  async #beginRound(): Promise<void> {
    const { dirs, ended, logger, limits } = this.#parts;
    const wasShort = this.#isShort;
    const freeShare = await dirs.freeShare();
    this.#isShort = freeShare < limits.diskFreeShareMin;
    if (this.#isShort && !wasShort)
      logger.warn({ freeShare }, "the disk is short of room: files of ended guests go before their time");
    const open = [...this.#endedAtMs].filter(([, endedAtMs]) => endedAtMs === null).map(([id]) => id);
    this.#ask([...open, ...this.#due()]);
    if (this.#isShort) await ended.shed(shedMax);
  }

  #ask(guestIds: readonly string[]): void {
    const { present, ask } = this.#parts;
    const here = present();
    const away = guestIds.filter((id) => !here.has(id));
    for (let at = 0; at < away.length; at += askedMax) ask(away.slice(at, at + askedMax));
  }

  /** Ended guests whose time is over, or whose room is needed. */
  #due(): string[] {
    const { clock, limits } = this.#parts;
    const ended = [...this.#endedAtMs].filter((entry): entry is [string, number] => entry[1] !== null);
    const oldestFirst = ended.toSorted(([, a], [, b]) => a - b);
    const tooMany = Math.max(oldestFirst.length - limits.checkpointsKeptMax, this.#isShort ? shedMax : 0);
    const beforeMs = clock.nowMs() - limits.checkpointsKeptMs;
    return oldestFirst
      .filter(([, endedAtMs], place) => place < tooMany || endedAtMs <= beforeMs)
      .map(([id]) => id);
  }

  async #forget(guestIds: readonly string[]): Promise<void> {
    const { dirs, logger } = this.#parts;
    try {
      await dirs.forget(guestIds);
      logger.info({ guests: guestIds.length }, "deleted the checkpoints of guests that have ended");
    } catch (err) {
      logger.warn(
        { err, guests: guestIds.length },
        "checkpoints are left behind until the agent's next start",
      );
    }
  }
}
