import type { LogChunk, ReadLog } from "../../gen/gleaner/v1/agents.ts";
import type { Logger } from "../../runtime/log.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { AttemptLog } from "./guest-log.ts";

/** Where a guest's log is, and whether more may come. */
export interface ReadableLog {
  readonly attempt: number;
  readonly log: AttemptLog;
  /** No process of the attempt is left to print anything. */
  hasEnded(): boolean;
}

interface LogReaderParts {
  /** null: no such attempt ran here, or it is kept no longer. */
  readonly find: (guestId: string, attempt: number) => ReadableLog | null;
  /** False while the stream does not take more. */
  readonly send: (chunk: LogChunk) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const chunkBytesMax = 64 * 1024;
const followMs = 250;
const readsMax = 256;

/** Sends guests' logs to the controller as it asks for them. */
export class LogReader {
  readonly #parts: LogReaderParts;
  readonly #reads = new Map<number, AbortController>();

  constructor(parts: LogReaderParts) {
    this.#parts = parts;
  }

  take(request: ReadLog): void {
    const { requestId, cancel } = request;
    this.#reads.get(requestId)?.abort();
    if (cancel) return;
    if (this.#reads.size >= readsMax) {
      this.#send(requestId, { last: true, detail: `this agent reads ${readsMax} logs already` });
      return;
    }
    const read = new AbortController();
    this.#reads.set(requestId, read);
    this.#read(request, read.signal)
      .catch((err: unknown) => {
        this.#parts.logger.error({ err, guest: request.guestId }, "a log could not be read");
        this.#send(requestId, { last: true, detail: err instanceof Error ? err.message : String(err) });
      })
      .finally(() => {
        if (this.#reads.get(requestId) === read) this.#reads.delete(requestId);
      });
  }

  /** Whoever asked is gone. */
  cancelAll(): void {
    for (const read of this.#reads.values()) read.abort();
  }

  async #read(
    { requestId, guestId, attempt: wanted, tailBytes, follow }: ReadLog,
    signal: AbortSignal,
  ): Promise<void> {
    const found = this.#parts.find(guestId, wanted);
    if (found === null) {
      this.#send(requestId, { last: true, detail: "none is kept on this host" });
      return;
    }
    const { log, attempt } = found;
    let position = tailBytes === 0 ? 0 : Math.max(0, (await log.end()) - tailBytes);
    while (!signal.aborted) {
      // Asked before the read: what was printed up to the end is in it.
      const ended = found.hasEnded();
      const part = await log.read(position, chunkBytesMax);
      position = part.position;
      if (part.data.length > 0 || part.droppedBytes > 0)
        await this.#sendWhenTaken(
          { requestId, attempt, data: part.data, droppedBytes: part.droppedBytes },
          signal,
        );
      else if (!follow || ended) break;
      else await this.#parts.clock.sleep(followMs, signal);
    }
    if (!signal.aborted) this.#send(requestId, { attempt, last: true });
  }

  async #sendWhenTaken(chunk: Partial<LogChunk> & { requestId: number }, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#send(chunk.requestId, chunk))
      await this.#parts.clock.sleep(followMs, signal);
    // A turn for the stream, so that a long log does not pile up in front of it.
    await this.#parts.clock.sleep(0);
  }

  #send(requestId: number, chunk: Partial<LogChunk>): boolean {
    const empty = { data: new Uint8Array(), attempt: 0, droppedBytes: 0, last: false, detail: "" };
    return this.#parts.send({ ...empty, ...chunk, requestId });
  }
}
