import { parentPort, workerData, type Transferable } from "node:worker_threads";
import { reportToProto } from "../api/convert/report.ts";
import type { ReportQuery } from "../api/ports.ts";
import { toPlainError } from "../errors/plain-error.ts";
import { GetReportResponse } from "../gen/gleaner/v1/reports.ts";
import { openBooks, type Books } from "../report/books.ts";
import { startDrain, type Drain } from "../report/drain.ts";
import { withLiveFacts, type LiveFacts } from "../report/report.ts";
import { systemClock } from "../runtime/clock.ts";
import { createLogger } from "../runtime/log.ts";
import { connectRedis } from "../store/connection.ts";
import { LedgerStream } from "../store/ledger-stream.ts";
import type { BooksWorkerData, FromBooks, ToBooks } from "./books-protocol.ts";

/**
 * Keeps the books on a thread of its own: SQLite and the reports are synchronous, and no recall may wait for them. It
 * reads the ledger's stream itself, so that no entry passes through the controller's thread.
 */

interface Open {
  readonly books: Books;
  readonly drain: Drain;
  close(): Promise<void>;
}

const data = workerData as BooksWorkerData;
const log = createLogger({
  name: "books",
  level: data.logLevel,
  stream: { write: (line) => tell({ kind: "log", line }) },
});
let open: Open | null = null;
let toldEnded = "{}";
let turn = Promise.resolve();

parentPort?.on("message", (question: ToBooks) => {
  turn = turn.then(() => answer(question));
});

async function answer(question: ToBooks): Promise<void> {
  try {
    tell(await answerTo(question));
  } catch (thrown) {
    tell({ kind: "failed", error: toPlainError(thrown) });
  }
}

async function answerTo(question: ToBooks): Promise<FromBooks> {
  if (question.kind === "open") {
    open = await openAll();
    await open.drain.flush();
    return { kind: "opened" };
  }
  if (open === null) throw new Error(`${question.kind} was asked before open`);
  const { books, drain } = open;
  switch (question.kind) {
    case "catchUp":
      await drain.flush();
      return { kind: "caughtUp", seenToMs: books.seenToMs() };
    case "report":
      await drain.flush();
      return { kind: "report", report: encodedReport(books, question.query, question.live) };
    case "decisions":
      await drain.flush();
      return { kind: "decisions", decisions: books.decisions(question.query) };
    case "demand":
      await drain.flush();
      return { kind: "demand", past: books.demand(question.query) };
    case "close":
      await open.close();
      return { kind: "closed" };
  }
}

async function openAll(): Promise<Open> {
  const redis = await connectRedis(data.redisUrl, { name: "books", logger: log });
  const books = openBooks(data.path, (setAside) =>
    log.error({ setAside }, "the books are set aside, and begin anew from the stream"),
  );
  tellEnded(books);
  const drain = startDrain({
    stream: new LedgerStream(redis, data.zone, data.ledger, log),
    reader: data.reader,
    books: {
      lastId: () => books.lastId(),
      wish: () => books.wish(),
      missed: (forgottenTo) => books.missed(forgottenTo),
      apply(entries) {
        books.apply(entries);
        tellEnded(books);
      },
    },
    intervalMs: data.ledger.drainIntervalMs,
    clock: systemClock,
    log,
  });
  return {
    books,
    drain,
    async close() {
      try {
        await drain.close();
      } finally {
        books.close();
        redis.disconnect();
      }
    },
  };
}

/** As it goes over the wire: to hand a large report over as objects, and to encode it there, would take as long again. */
function encodedReport(books: Books, query: ReportQuery, live: LiveFacts) {
  return GetReportResponse.encode(reportToProto(withLiveFacts(books.report(query), live))).finish();
}

function tellEnded(books: Books): void {
  const ended = books.endedGuests();
  const text = JSON.stringify(ended);
  if (text === toldEnded) return;
  toldEnded = text;
  tell({ kind: "ended", ended });
}

function tell(message: FromBooks): void {
  parentPort?.postMessage(message, handedOver(message));
}

/** What is not copied, since nobody here needs it any more. */
function handedOver(message: FromBooks): Transferable[] {
  if (message.kind === "report") return [message.report.buffer];
  if (message.kind !== "demand") return [];
  return message.past.pools.flatMap(({ pool: _, ...columns }) =>
    Object.values(columns).map(({ buffer }) => buffer),
  );
}
