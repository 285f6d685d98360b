/** A guest that has come, and how it fares; all s. */
export interface Guest {
  /** Its place in the queue: the order of submission. */
  readonly place: number;
  readonly submitS: number;
  readonly durationS: number;
  readonly checkpointS: number;
  /** Work that was done and kept. */
  doneS: number;
  /** Work that evictions took back. */
  lostS: number;
  /** In the queue, all its waits together. */
  waitedS: number;
  starts: number;
  evictions: number;
  state: GuestState;
}

type GuestState =
  | { readonly is: "waiting"; readonly sinceS: number }
  | { readonly is: "lent" }
  | { readonly is: "done"; readonly atS: number };
