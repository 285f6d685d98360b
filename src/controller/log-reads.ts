import type { LogPiece, LogQuery } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { LogChunk } from "../gen/gleaner/v1/agents.ts";
import { Channel } from "../runtime/channel.ts";
import type { AgentSession } from "./agent-session.ts";

/** Chunks that may wait for a slow reader before it is cut off. */
const chunksMax = 256;

interface Read {
  readonly session: AgentSession;
  readonly guestId: string;
  readonly pieces: Channel<LogPiece>;
}

/** Reads of guests' logs, each passed through from the agent that ran the attempt. */
export class LogReads {
  readonly #reads = new Map<number, Read>();
  #lastId = 0;

  async *read(session: AgentSession, query: LogQuery, signal: AbortSignal): AsyncIterable<LogPiece> {
    const requestId = ++this.#lastId;
    const pieces = new Channel<LogPiece>(chunksMax, signal);
    this.#reads.set(requestId, { session, guestId: query.id, pieces });
    const { id: guestId, attempt, tailBytes, follow } = query;
    session.send({
      $case: "readLog",
      value: { requestId, guestId, attempt, tailBytes, follow, cancel: false },
    });
    try {
      yield* pieces;
    } finally {
      if (this.#reads.delete(requestId))
        session.send({
          $case: "readLog",
          value: { requestId, guestId, attempt, tailBytes, follow, cancel: true },
        });
    }
  }

  take(session: AgentSession, chunk: LogChunk): void {
    const read = this.#reads.get(chunk.requestId);
    if (read === undefined || read.session !== session) return;
    const { data, attempt, droppedBytes } = chunk;
    const taken = data.length === 0 || read.pieces.push({ data, attempt, droppedBytes });
    if (!taken && !read.pieces.ended) {
      read.pieces.fail(new GleanerError("WATCHER_TOO_SLOW", { count: chunksMax }));
      return;
    }
    if (!chunk.last) return;
    this.#reads.delete(chunk.requestId);
    if (chunk.detail === "") read.pieces.close();
    else read.pieces.fail(new GleanerError("LOG_NOT_FOUND", { id: read.guestId, why: `: ${chunk.detail}` }));
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
