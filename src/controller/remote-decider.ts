import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { WaitExplanation } from "../core/cycle-explain.ts";
import type { CycleSettings, Snapshot } from "../core/snapshot.ts";
import type { CycleWorkerData, FromWorker, NewsMessage, ToWorker } from "./cycle-protocol.ts";
import type { JournalNews, JournalPlace } from "./decision-journal.ts";
import { Slices } from "./slices.ts";
import { SnapshotMirror } from "./snapshot-mirror.ts";

const lendsPerMessage = 500;
/** A cycle allocates a lot that is soon garbage: room for it to die young. */
const resourceLimits = { maxYoungGenerationSizeMb: 64, maxOldGenerationSizeMb: 4_096 };

/** The caller's end of the thread that decides. */
export class RemoteDecider {
  readonly #worker: Worker;
  readonly #mirror = new SnapshotMirror((part) => this.#post(part));
  readonly #answers: PromiseWithResolvers<FromWorker>[] = [];
  #failure: Error | null = null;

  constructor(
    settings: CycleSettings,
    journal: JournalPlace | null,
    onJournalNews: (news: JournalNews) => void,
  ) {
    const workerData: CycleWorkerData = { settings, journal };
    this.#worker = new Worker(new URL("cycle-worker.ts", import.meta.url), { workerData, resourceLimits });
    this.#worker.on("message", (message: FromWorker | NewsMessage) => {
      if (message.kind === "journal") onJournalNews(message.news);
      else this.#answers.shift()?.resolve(message);
    });
    this.#worker.on("error", (error) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
    this.#worker.on("exit", (code) =>
      this.#fail(new Error(`the thread that decides ended with code ${code}`)),
    );
  }

  /** `atMs` is the wall clock's. */
  async decide(snapshot: Snapshot, atMs: number): Promise<CycleDecisions> {
    const outline = await this.#mirror.sync(snapshot, new Slices());
    await setImmediate();
    const decided = await this.#ask({ kind: "decide", atMs, ...outline });
    if (decided.kind !== "decided") throw new Error(`answered ${decided.kind} to decide`);
    const { waits, unlent } = decided;
    const lends: Lend[] = [];
    while (lends.length < decided.lends) {
      const part = await this.#ask({ kind: "lends", from: lends.length, count: lendsPerMessage });
      if (part.kind !== "lends" || part.lends.length === 0) throw new Error(`answered ${part.kind} to lends`);
      lends.push(...part.lends);
    }
    return { lends, waits, unlent };
  }

  async explain(guestId: string): Promise<WaitExplanation | null> {
    const explained = await this.#ask({ kind: "explain", guestId });
    if (explained.kind !== "explained") throw new Error(`answered ${explained.kind} to explain`);
    return explained.explanation;
  }

  /** Resolves when what was decided is journalled, or the thread has failed. */
  async flush(): Promise<void> {
    // The failure is told to whoever decides.
    await this.#ask({ kind: "close" }).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(message: ToWorker): Promise<FromWorker> {
    if (this.#failure !== null) throw this.#failure;
    const answer = Promise.withResolvers<FromWorker>();
    this.#answers.push(answer);
    this.#post(message);
    return answer.promise;
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(
      message,
      message.kind === "decide" ? [message.devices.buffer, message.guests.buffer] : [],
    );
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const answer of this.#answers.splice(0)) answer.reject(this.#failure);
  }
}
