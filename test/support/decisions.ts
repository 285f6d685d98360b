import type { DecisionJournal, JournalNews } from "../../src/controller/decision-journal.ts";
import { readDecisions, type ReadCycle } from "../../src/controller/decision-reader.ts";
import { decideCycle } from "../../src/core/cycle.ts";
import type { Snapshot } from "../../src/core/snapshot.ts";
import type { GleanerError } from "../../src/errors/gleaner-error.ts";
import { settings } from "./snapshots.ts";

/** What a journal's directory tells, and what it says of the rest. */
export async function readAll(
  dir: string,
  sinceMs = -Infinity,
): Promise<{ cycles: ReadCycle[]; unreadable: GleanerError[] }> {
  const unreadable: GleanerError[] = [];
  const cycles: ReadCycle[] = [];
  for await (const cycle of readDecisions(dir, {
    sinceMs,
    onUnreadable: (error) => void unreadable.push(error),
  }))
    cycles.push(cycle);
  return { cycles, unreadable };
}

/** Decides a snapshot and records it. */
export function decideInto(journal: DecisionJournal, snapshot: Snapshot, atMs: number): void {
  journal.record({ atMs, snapshot, decisions: decideCycle(snapshot, settings) });
}

/** What a journal tells: all of it, and the promise of its next word. */
export class News {
  readonly all: JournalNews[] = [];
  #next = Promise.withResolvers<JournalNews>();

  readonly take = (news: JournalNews): void => {
    this.all.push(news);
    this.#next.resolve(news);
    this.#next = Promise.withResolvers();
  };

  async next(): Promise<JournalNews> {
    return this.#next.promise;
  }
}
