import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { WaitExplanation } from "../core/cycle-explain.ts";
import type { CycleSettings } from "../core/snapshot.ts";
import type { JournalNews, JournalPlace } from "./decision-journal.ts";
import type { MirrorPart, Outline } from "./snapshot-mirror.ts";

/** What the controller's thread and the thread that decides large cycles say to each other. */

export type ToWorker =
  | MirrorPart
  | DecideMessage
  /** The next so many lends of the cycle that was decided. */
  | { readonly kind: "lends"; readonly from: number; readonly count: number }
  | { readonly kind: "explain"; readonly guestId: string }
  /** Nothing comes after it. */
  | { readonly kind: "close" };

export interface DecideMessage extends Outline {
  readonly kind: "decide";
  /** Wall clock. */
  readonly atMs: number;
}

/** One answer to each `decide`, `lends`, `explain` and `close`, in their order. */
export type FromWorker =
  | ({ readonly kind: "decided"; readonly lends: number } & Omit<CycleDecisions, "lends">)
  | { readonly kind: "lends"; readonly lends: readonly Lend[] }
  | { readonly kind: "explained"; readonly explanation: WaitExplanation | null }
  | { readonly kind: "closed" };

/** Answers nothing: it comes when it comes. */
export interface NewsMessage {
  readonly kind: "journal";
  readonly news: JournalNews;
}

export interface CycleWorkerData {
  readonly settings: CycleSettings;
  /** null: decisions are not journalled. */
  readonly journal: JournalPlace | null;
}
