import { GleanerError, asGleanerError } from "../errors/gleaner-error.ts";
import type { Submission } from "../api/ports.ts";
import { systemClock, type Clock } from "../runtime/clock.ts";
import type { QueueOutcome } from "./admission.ts";

/** While Redis works on one flush, the next one is made. */
const flightsMax = 2;
/** Fewer are not worth a flush of their own while a call waits with them. */
const shareGuestsMin = 32;

interface Waiting {
  readonly submissions: readonly Submission[];
  readonly resolve: (outcomes: readonly QueueOutcome[]) => void;
  readonly reject: (error: GleanerError) => void;
}

export interface SubmitBufferOptions {
  /** Takes up to flushGuestsMax submissions. */
  readonly flush: (submissions: readonly Submission[]) => Promise<QueueOutcome[]>;
  readonly flushGuestsMax: number;
  /** Submissions that may wait for a flush; beyond it callers are refused. */
  readonly backlogMax: number;
  readonly clock?: Clock;
}

/**
 * Gathers what arrives while flushes are under way into the next one, which makes many small calls as cheap as a few
 * large ones. The order of arrival is kept.
 */
export class SubmitBuffer {
  readonly #options: SubmitBufferOptions;
  #waiting: Waiting[] = [];
  #backlog = 0;
  #draining: Promise<void> | null = null;
  readonly #flights = new Set<Promise<void>>();

  constructor(options: SubmitBufferOptions) {
    this.#options = options;
  }

  async submit(submissions: readonly Submission[]): Promise<readonly QueueOutcome[]> {
    const { flushGuestsMax, backlogMax } = this.#options;
    if (this.#backlog + submissions.length > backlogMax)
      throw new GleanerError("SUBMIT_BACKLOG_FULL", { count: this.#backlog, countMax: backlogMax });
    if (submissions.length <= flushGuestsMax) return this.#enqueue(submissions);
    const pieces: Promise<readonly QueueOutcome[]>[] = [];
    for (let at = 0; at < submissions.length; at += flushGuestsMax)
      pieces.push(this.#enqueue(submissions.slice(at, at + flushGuestsMax)));
    return (await Promise.all(pieces)).flat();
  }

  get backlog(): { readonly waiting: number; readonly max: number } {
    return { waiting: this.#backlog, max: this.#options.backlogMax };
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  #enqueue(submissions: readonly Submission[]): Promise<readonly QueueOutcome[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly QueueOutcome[]>();
    this.#waiting.push({ submissions, resolve, reject });
    this.#backlog += submissions.length;
    this.#draining ??= this.#drain();
    return promise;
  }

  async #drain(): Promise<void> {
    // Calls that came with the same read of a socket go together.
    await (this.#options.clock ?? systemClock).turn();
    while (this.#waiting.length > 0 || this.#flights.size > 0) {
      while (this.#waiting.length > 0 && this.#flights.size < flightsMax) {
        const flight: Promise<void> = this.#flush(this.#takeCalls()).finally(() =>
          this.#flights.delete(flight),
        );
        this.#flights.add(flight);
      }
      await Promise.race(this.#flights);
    }
    this.#draining = null;
  }

  async #flush(calls: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#options.flush(calls.flatMap((call) => call.submissions));
      let at = 0;
      for (const { submissions, resolve } of calls) {
        resolve(outcomes.slice(at, at + submissions.length));
        at += submissions.length;
      }
    } catch (thrown) {
      const error = asGleanerError(thrown);
      for (const call of calls) call.reject(error);
    }
  }

  /**
   * What waits is shared among the flushes that may begin: were all of it one flush, submitters who wait for their answers
   * before they send again would be idle while we work, and we while they do.
   */
  #takeCalls(): Waiting[] {
    const { flushGuestsMax } = this.#options;
    const share = Math.max(shareGuestsMin, Math.ceil(this.#backlog / (flightsMax - this.#flights.size)));
    let count = 0;
    const end = this.#waiting.findIndex(({ submissions }, i) => {
      count += submissions.length;
      return i > 0 && count > Math.min(flushGuestsMax, share);
    });
    const calls = this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
    for (const call of calls) this.#backlog -= call.submissions.length;
    return calls;
  }
}
