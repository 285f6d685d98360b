import { setTimeout as sleep } from "node:timers/promises";
import { decideCycle, type CycleDecisions } from "../core/cycle.ts";
import { explainWait, type WaitExplanation } from "../core/cycle-explain.ts";
import type { CycleSettings, Snapshot } from "../core/snapshot.ts";
import { DecisionJournal, type JournalNews, type JournalPlace } from "./decision-journal.ts";
import type { DecidedCycle } from "./decision-text.ts";
import { RemoteDecider } from "./remote-decider.ts";

/** Decides cycles, one at a time. */
export interface Decider {
  decide(snapshot: Snapshot): Promise<CycleDecisions>;
  /** Why a guest waits, as the last cycle saw it; null: it was not among its guests, or it was lent devices. */
  explain(guestId: string): Promise<WaitExplanation | null>;
  close(): Promise<void>;
}

export interface KeptDecisions extends JournalPlace {
  readonly wallMs: () => number;
  readonly onNews: (news: JournalNews) => void;
}

/** What is not journalled by then is given up: a disk may hang. */
const closeMsMax = 2_000;

/**
 * Small fleets are decided where the caller runs. Large ones are decided on a thread of their own, so that no recall
 * waits for a cycle: the caller's thread is then never kept for longer than a few ms. Who decides journals it too, and a fleet
 * that was large once stays with the thread, so that one of the two writes.
 */
export function createDecider({
  workerAboveDevices,
  settings,
  kept = null,
}: {
  readonly workerAboveDevices: number;
  readonly settings: CycleSettings;
  /** null: decisions are not journalled. */
  readonly kept?: KeptDecisions | null;
}): Decider {
  const place = kept && { dir: kept.dir, bytesMax: kept.bytesMax, release: kept.release };
  let journal: DecisionJournal | null = null;
  let journalClosed: Promise<void> | undefined;
  let remote: RemoteDecider | null = null;
  let last: DecidedCycle | null = null;
  return {
    async decide(snapshot) {
      const atMs = kept?.wallMs() ?? 0;
      if (remote === null && snapshot.devices.length <= workerAboveDevices) {
        const decisions = decideCycle(snapshot, settings);
        last = { atMs, snapshot, decisions };
        if (kept !== null) journal ??= new DecisionJournal(kept, settings, kept.onNews);
        journal?.record(last);
        return decisions;
      }
      last = null;
      journalClosed = journal?.close() ?? journalClosed;
      journal = null;
      remote ??= new RemoteDecider(settings, place, (news) => kept?.onNews(news));
      try {
        return await remote.decide(snapshot, atMs);
      } catch (thrown) {
        // What the thread knows is no longer certain: the next cycle begins with a new one.
        await remote.close();
        remote = null;
        throw thrown;
      }
    },
    async explain(guestId) {
      if (last !== null) return explainWait(last.snapshot, last.decisions, guestId, settings);
      return (await remote?.explain(guestId)) ?? null;
    },
    async close() {
      const closed = new AbortController();
      await Promise.race([
        Promise.all([journalClosed, journal?.close(), remote?.flush()]),
        sleep(closeMsMax, undefined, { signal: closed.signal }),
      ]);
      closed.abort();
      await remote?.close();
      remote = null;
    },
  };
}
