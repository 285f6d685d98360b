import type { Guest } from "./guest.ts";

/** How a queue of guests fared; all s. */
export interface GuestFigures {
  /** Who came up to the last sample. */
  readonly guests: number;
  readonly done: number;
  /** From submission to the end of their work; of those who are not done, to the trace's end. */
  readonly completion: Spread;
  /** In the queue, all waits of a guest together. */
  readonly wait: Spread;
  readonly starts: number;
  readonly evictions: number;
  /** Work done and kept. */
  readonly usefulS: number;
  /** Work done that evictions took back. */
  readonly lostS: number;
}

export interface Spread {
  readonly meanS: number;
  readonly p50S: number;
  readonly p99S: number;
}

export function guestFigures(guests: readonly Guest[], traceEndS: number): GuestFigures {
  const completion = guests.map(
    ({ state, submitS }) => (state.is === "done" ? state.atS : traceEndS) - submitS,
  );
  const wait = guests.map(
    ({ state, waitedS }) => waitedS + (state.is === "waiting" ? traceEndS - state.sinceS : 0),
  );
  const sum = (of: (guest: Guest) => number) => guests.reduce((total, guest) => total + of(guest), 0);
  return {
    guests: guests.length,
    done: guests.filter(({ state }) => state.is === "done").length,
    completion: spread(completion),
    wait: spread(wait),
    starts: sum(({ starts }) => starts),
    evictions: sum(({ evictions }) => evictions),
    usefulS: sum(({ doneS }) => doneS),
    lostS: sum(({ lostS }) => lostS),
  };
}

/** All 0 of nobody. */
function spread(seconds: readonly number[]): Spread {
  const sorted = Float64Array.from(seconds).toSorted();
  const quantile = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  const meanS = sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length);
  return { meanS, p50S: quantile(0.5), p99S: quantile(0.99) };
}
