import { setImmediate } from "node:timers/promises";
import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { WaitExplanation } from "../core/cycle-explain.ts";
import type { CycleSettings, Snapshot } from "../core/snapshot.ts";
import { AskedThread } from "../runtime/asked-thread.ts";
import type { CycleWorkerData, FromWorker, NewsMessage, ToWorker } from "./cycle-protocol.ts";
import type { JournalNews, JournalPlace } from "./decision-journal.ts";
import { Slices } from "./slices.ts";
import { SnapshotMirror } from "./snapshot-mirror.ts";

const lendsPerMessage = 500;
/** A cycle allocates a lot that is soon garbage: room for it to die young. */
const resourceLimits = { maxYoungGenerationSizeMb: 64, maxOldGenerationSizeMb: 4_096 };

/** The caller's end of the thread that decides. */
export class RemoteDecider {
  readonly #thread: AskedThread<ToWorker, FromWorker | NewsMessage>;
  readonly #mirror = new SnapshotMirror((part) => this.#thread.tell(part));

  constructor(
    settings: CycleSettings,
    journal: JournalPlace | null,
    onJournalNews: (news: JournalNews) => void,
  ) {
    const workerData: CycleWorkerData = { settings, journal };
    this.#thread = new AskedThread({
      file: new URL("cycle-worker.ts", import.meta.url),
      task: "decides",
      workerData,
      resourceLimits,
      hear(message) {
        if (message.kind !== "journal") return false;
        onJournalNews(message.news);
        return true;
      },
    });
  }

  /** `atMs` is the wall clock's. */
  async decide(snapshot: Snapshot, atMs: number): Promise<CycleDecisions> {
    const outline = await this.#mirror.sync(snapshot, new Slices());
    await setImmediate();
    const decided = await this.#thread.ask({ kind: "decide", atMs, ...outline }, [
      outline.devices.buffer,
      outline.guests.buffer,
    ]);
    if (decided.kind !== "decided") throw new Error(`answered ${decided.kind} to decide`);
    const { waits, unlent } = decided;
    const lends: Lend[] = [];
    while (lends.length < decided.lends) {
      const part = await this.#thread.ask({ kind: "lends", from: lends.length, count: lendsPerMessage });
      if (part.kind !== "lends" || part.lends.length === 0) throw new Error(`answered ${part.kind} to lends`);
      lends.push(...part.lends);
    }
    return { lends, waits, unlent };
  }

  async explain(guestId: string): Promise<WaitExplanation | null> {
    const explained = await this.#thread.ask({ kind: "explain", guestId });
    if (explained.kind !== "explained") throw new Error(`answered ${explained.kind} to explain`);
    return explained.explanation;
  }

  /** Resolves when what was decided is journalled, or the thread has failed. */
  async flush(): Promise<void> {
    // The failure is told to whoever decides.
    await this.#thread.ask({ kind: "close" }).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}
