import type { DecisionQuery, DecisionView, EncodedReport, ReportQuery } from "../api/ports.ts";
import type { Settings } from "../config/settings.ts";
import type { GuestState } from "../core/guest.ts";
import type { DemandPast, DemandQuery } from "../core/reserve/demand-past.ts";
import type { PlainError } from "../errors/plain-error.ts";
import type { LiveFacts } from "../report/report.ts";
import type { LogLevel } from "../runtime/log.ts";

/** What the controller's thread and the thread that keeps the books say to each other. */

export interface BooksWorkerData {
  /** Of the SQL books. */
  readonly path: string;
  readonly redisUrl: string;
  readonly zone: string;
  /** Whose books they are, by which the ledger's stream waits for them. */
  readonly reader: string;
  readonly ledger: Settings["ledger"];
  readonly logLevel: LogLevel;
}

/** Guests that have ended, by how. */
export type EndedGuests = Readonly<Partial<Record<GuestState, number>>>;

export type ToBooks =
  /** The first question: reads what the stream holds, and follows it from then on. */
  | { readonly kind: "open" }
  /** Books what is in the stream. */
  | { readonly kind: "catchUp" }
  /** Up to the moment: what is in the stream is booked first. */
  | { readonly kind: "report"; readonly query: ReportQuery; readonly live: LiveFacts }
  | { readonly kind: "decisions"; readonly query: DecisionQuery }
  | { readonly kind: "demand"; readonly query: DemandQuery }
  /** The last question: books what is in the stream. */
  | { readonly kind: "close" };

/** One answer to each question, in their order; `ended` and `log` come by themselves. */
export type FromBooks =
  | { readonly kind: "opened" }
  /** Time of the newest entry, ms; null: none. */
  | { readonly kind: "caughtUp"; readonly seenToMs: number | null }
  | { readonly kind: "report"; readonly report: EncodedReport }
  | { readonly kind: "decisions"; readonly decisions: readonly DecisionView[] }
  | { readonly kind: "demand"; readonly past: DemandPast }
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly error: PlainError }
  | { readonly kind: "ended"; readonly ended: EndedGuests }
  /** A line of the log, as JSON. */
  | { readonly kind: "log"; readonly line: string };
