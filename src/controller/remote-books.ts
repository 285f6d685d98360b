import type { ResourceLimits } from "node:worker_threads";
import type { DecisionQuery, DecisionView, EncodedReport, ReportQuery } from "../api/ports.ts";
import type { DemandPast, DemandQuery } from "../core/reserve/demand-past.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import { fromPlainError } from "../errors/plain-error.ts";
import type { LiveFacts } from "../report/report.ts";
import { AskedThread } from "../runtime/asked-thread.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger, LogLevel } from "../runtime/log.ts";
import { Turns, unlessAborted } from "../runtime/turns.ts";
import type { BooksWorkerData, EndedGuests, FromBooks, ToBooks } from "./books-protocol.ts";

/** Reports and lists of decisions that may wait for another. */
const waitingMax = 16;
/** Between two tries to start the thread again; the first is at once. */
const retryMsMin = 1_000;
const retryMsMax = 60_000;
/** Little to live with: its young generation grows to the limit whether it needs it or not. */
const limits: ResourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 4_096 };

type Answer<Kind extends FromBooks["kind"]> = Extract<FromBooks, { kind: Kind }>;
type Thread = AskedThread<ToBooks, FromBooks>;

export interface RemoteBooksOptions extends Omit<BooksWorkerData, "logLevel"> {
  readonly clock: Clock;
  readonly log: Logger;
  /** Of the thread's memory. */
  readonly limits?: ResourceLimits;
}

/**
 * The controller's end of the thread that keeps its books, whoever leads. When the thread dies, another goes on from what
 * SQLite and the stream hold: nothing is lost, since the stream forgets only what SQLite has committed. Until it does,
 * `problem` says so.
 */
export class RemoteBooks {
  readonly #options: RemoteBooksOptions;
  readonly #turns = new Turns(waitingMax);
  readonly #stopping = new AbortController();
  #thread: Thread | null = null;
  #opening: Promise<void> | null = null;
  #keeping: Promise<void>;
  #problem: string | null = "they are being opened";
  #ended: EndedGuests = {};

  /** Begins to keep them at once. */
  constructor(options: RemoteBooksOptions) {
    this.#options = options;
    this.#keeping = this.#keep();
  }

  /**
   * Books all that is in the stream. Answers the time of the newest entry, ms: the controller that wrote it lived then. null:
   * there is none. Throws BOOKS_UNREADABLE, BOOKS_UNAVAILABLE, REDIS_UNREACHABLE.
   */
  async catchUp(): Promise<number | null> {
    await this.#open();
    return (await this.#askThread({ kind: "catchUp" }, "caughtUp")).seenToMs;
  }

  /** Why nobody keeps the books now; null: somebody does. */
  get problem(): string | null {
    return this.#problem;
  }

  /** As of the last batch that was booked. */
  endedGuests(): EndedGuests {
    return this.#ended;
  }

  /**
   * Up to the last entry of the stream. Who leaves by the signal before it is computed has cost nothing; afterwards it is
   * dropped. Throws POOL_NOT_FOUND, BOOKS_UNREADABLE, BOOKS_UNAVAILABLE, REPORTS_BUSY, REDIS_UNREACHABLE, or the signal's reason.
   */
  async report(query: ReportQuery, live: LiveFacts, signal: AbortSignal): Promise<EncodedReport> {
    return (await this.#inTurn({ kind: "report", query, live }, "report", signal)).report;
  }

  /** Newest first. Throws as `report` does. */
  async decisions(query: DecisionQuery, signal: AbortSignal): Promise<readonly DecisionView[]> {
    return (await this.#inTurn({ kind: "decisions", query }, "decisions", signal)).decisions;
  }

  /** Throws as `report` does. */
  async demand(query: DemandQuery, signal: AbortSignal): Promise<DemandPast> {
    return (await this.#inTurn({ kind: "demand", query }, "demand", signal)).past;
  }

  /** Books what is in the stream; throws what kept it from that, and the stream then keeps what is missing. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#keeping;
    const thread = this.#thread;
    this.#thread = null;
    if (thread === null) return;
    try {
      await ask(thread, { kind: "close" }, "closed");
    } finally {
      await thread.close();
    }
  }

  async #inTurn<Kind extends FromBooks["kind"]>(
    question: ToBooks,
    kind: Kind,
    signal: AbortSignal,
  ): Promise<Answer<Kind>> {
    if (this.#turns.isFull) throw new GleanerError("REPORTS_BUSY", { countMax: waitingMax });
    await this.#turns.take(signal);
    // The turn lasts until the thread has answered, also where the caller is gone by then.
    const answer = this.#askThread(question, kind, signal).finally(() => this.#turns.pass());
    return unlessAborted(answer, signal);
  }

  async #askThread<Kind extends FromBooks["kind"]>(question: ToBooks, kind: Kind, signal?: AbortSignal) {
    signal?.throwIfAborted();
    const thread = this.#thread;
    if (thread === null) throw unavailable(this.#problem ?? "the controller stops");
    try {
      return await ask(thread, question, kind);
    } catch (thrown) {
      throw thread === this.#thread ? thrown : unavailable(this.#problem ?? "the controller stops");
    }
  }

  /** One at a time; nothing, where they are open. */
  async #open(): Promise<void> {
    if (this.#thread === null)
      await (this.#opening ??= this.#openThread().finally(() => (this.#opening = null)));
  }

  async #openThread(): Promise<void> {
    const { clock: _clock, log, limits: resourceLimits = limits, ...data } = this.#options;
    const workerData: BooksWorkerData = { ...data, logLevel: log.level as LogLevel };
    const thread: Thread = new AskedThread({
      file: new URL("books-worker.ts", import.meta.url),
      task: "keeps the books",
      workerData,
      resourceLimits,
      hear: (message) => this.#hear(message),
      died: (error) => this.#died(thread, error),
    });
    try {
      await ask(thread, { kind: "open" }, "opened");
      this.#thread = thread;
      this.#problem = null;
    } catch (thrown) {
      await thread.close();
      throw thrown;
    }
  }

  #died(thread: Thread, error: Error): void {
    if (thread !== this.#thread) return; // it never opened: whoever opens it hears of it
    this.#thread = null;
    this.#problem = `their thread died: ${error.message}`;
    this.#options.log.error({ err: error }, "the thread that keeps the books died; another is started");
    if (!this.#stopping.signal.aborted) this.#keeping = this.#keep();
  }

  /** Until they are open. */
  async #keep(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    for (let waitMs = retryMsMin; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        await this.#open();
        return;
      } catch (thrown) {
        this.#problem = thrown instanceof Error ? thrown.message : String(thrown);
        log.error({ err: thrown }, `the books cannot be kept; trying again in ${waitMs} ms`);
        await clock.sleep(waitMs, signal);
      }
    }
  }

  #hear(message: FromBooks): boolean {
    if (message.kind === "ended") this.#ended = message.ended;
    else if (message.kind === "log") relay(message.line, this.#options.log);
    else return false;
    return true;
  }
}

async function ask<Kind extends FromBooks["kind"]>(
  thread: Thread,
  question: ToBooks,
  kind: Kind,
): Promise<Answer<Kind>> {
  const answer = await thread.ask(question);
  if (answer.kind === "failed") throw fromPlainError(answer.error);
  if (answer.kind !== kind) throw new Error(`answered ${answer.kind} to ${question.kind}`);
  return answer as Answer<Kind>;
}

function unavailable(problem: string): GleanerError {
  return new GleanerError("BOOKS_UNAVAILABLE", { problem });
}

/** Into the controller's own log, where everything else stands. */
function relay(line: string, log: Logger): void {
  const {
    level,
    msg,
    time: _time,
    name: _name,
    pid: _pid,
    hostname: _hostname,
    ...fields
  } = JSON.parse(line);
  log[level as Exclude<LogLevel, "silent">](fields, msg);
}
