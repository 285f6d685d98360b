import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { WaitExplanation } from "../core/cycle-explain.ts";
import type { WaitingGuest } from "../core/guest.ts";
import type { CycleSettings, DeviceView, Snapshot } from "../core/snapshot.ts";
import type { SurvivalTable } from "../core/survival-table.ts";

/** What the controller's thread and the thread that decides large cycles say to each other. */

/** A curve as plain data. */
export interface PlainCurve {
  readonly table: SurvivalTable;
  readonly ageMs: number;
}

/** The curve is the slot of one that was sent before; −1: none. */
export type PlainDevice = Omit<DeviceView, "curve"> & { readonly curve: number };

/** What a slot of a mirror holds from now on. */
export interface Filled<T> {
  readonly slot: number;
  readonly item: T;
}

export type ToWorker =
  | { readonly kind: "curves"; readonly filled: readonly Filled<PlainCurve>[] }
  | { readonly kind: "devices"; readonly filled: readonly Filled<PlainDevice>[] }
  | { readonly kind: "guests"; readonly filled: readonly Filled<WaitingGuest>[] }
  | DecideMessage
  /** The next so many lends of the cycle that was decided. */
  | { readonly kind: "lends"; readonly from: number; readonly count: number }
  | { readonly kind: "explain"; readonly guestId: string };

export interface DecideMessage extends Omit<Snapshot, "devices" | "guests"> {
  readonly kind: "decide";
  /** Slots, in the order of the snapshot. */
  readonly devices: Int32Array<ArrayBuffer>;
  readonly guests: Int32Array<ArrayBuffer>;
}

/** One answer to each `decide`, `lends` and `explain`, in their order. */
export type FromWorker =
  | ({ readonly kind: "decided"; readonly lends: number } & Omit<CycleDecisions, "lends">)
  | { readonly kind: "lends"; readonly lends: readonly Lend[] }
  | { readonly kind: "explained"; readonly explanation: WaitExplanation | null };

export interface CycleWorkerData {
  readonly settings: CycleSettings;
}
