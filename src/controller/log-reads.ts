import type { LogPiece, LogQuery } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { LogChunk } from "../gen/gleaner/v1/agents.ts";
import { Channel } from "../runtime/channel.ts";
import type { AgentSession } from "./agent-session.ts";

/** Chunks that may wait for a slow reader before it is cut off. */
export const chunksMax = 256;
/** Bytes that may wait for all of them; beyond it the reader whose chunk comes next is cut off. */
export const bytesMax = 64 * 1024 * 1024;

interface Read {
  readonly session: AgentSession;
  readonly guestId: string;
  readonly pieces: Channel<LogPiece>;
  bytes: number;
}

/** Reads of guests' logs, each passed through from the agent that ran the attempt. */
export class LogReads {
  readonly #reads = new Map<number, Read>();
  #lastId = 0;
  #bytes = 0;

  async *read(session: AgentSession, query: LogQuery, signal: AbortSignal): AsyncIterable<LogPiece> {
    const requestId = ++this.#lastId;
    const pieces = new Channel<LogPiece>(chunksMax, signal);
    const read: Read = { session, guestId: query.id, pieces, bytes: 0 };
    this.#reads.set(requestId, read);
    const { id: guestId, attempt, tailBytes, follow } = query;
    session.send({
      $case: "readLog",
      value: { requestId, guestId, attempt, tailBytes, follow, cancel: false },
    });
    try {
      for await (const piece of pieces) {
        this.#count(read, -piece.data.length);
        yield piece;
      }
    } finally {
      this.#count(read, -read.bytes);
      if (this.#reads.delete(requestId))
        session.send({
          $case: "readLog",
          value: { requestId, guestId, attempt, tailBytes, follow, cancel: true },
        });
    }
  }

  get open(): { readonly count: number; readonly bytes: number; readonly bytesMax: number } {
    return { count: this.#reads.size, bytes: this.#bytes, bytesMax };
  }

  take(session: AgentSession, chunk: LogChunk): void {
    const read = this.#reads.get(chunk.requestId);
    if (read === undefined || read.session !== session) return;
    const { data, attempt, droppedBytes } = chunk;
    if (data.length > 0 && !read.pieces.ended && !this.#keep(read, { data, attempt, droppedBytes })) {
      read.pieces.fail(new GleanerError("WATCHER_TOO_SLOW", { count: chunksMax }));
      return;
    }
    if (!chunk.last) return;
    this.#reads.delete(chunk.requestId);
    if (chunk.detail === "") read.pieces.close();
    else read.pieces.fail(new GleanerError("LOG_NOT_FOUND", { id: read.guestId, why: `: ${chunk.detail}` }));
  }

  #keep(read: Read, piece: LogPiece): boolean {
    if (this.#bytes + piece.data.length > bytesMax || !read.pieces.push(piece)) return false;
    this.#count(read, piece.data.length);
    return true;
  }

  #count(read: Read, bytes: number): void {
    read.bytes += bytes;
    this.#bytes += bytes;
  }

  /** The agent has gone: its readers are told. */
  endAll(session: AgentSession): void {
    for (const [id, read] of this.#reads) {
      if (read.session !== session) continue;
      this.#reads.delete(id);
      read.pieces.fail(new GleanerError("AGENT_UNREACHABLE", { host: session.host }));
    }
  }
}
