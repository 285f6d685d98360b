import { setImmediate as nextTurn, setTimeout as sleepFor } from "node:timers/promises";

/** Time as a parameter, so that tests and the simulator can own it. */
export interface Clock {
  /** Never goes back; only differences mean something. */
  monotonicMs(): number;
  wallMs(): number;
  /** Resolves early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls once, unless what it answers is called before. More than 24 days ahead it calls early. */
  after(ms: number, act: () => void): () => void;
  /** Lets everybody else have a turn. */
  turn(): Promise<void>;
}

/** What a timer can hold. */
const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
    } catch (thrown) {
      if (signal?.aborted !== true) throw thrown;
    }
  },
  after(ms, act) {
    const timer = setTimeout(act, Math.min(ms, timerMsMax));
    return () => clearTimeout(timer);
  },
  turn: () => nextTurn(),
};

/** Calls again and again, until what it answers is called. */
export function every(clock: Pick<Clock, "after">, ms: number, act: () => void): () => void {
  let cancel = clock.after(ms, again);
  function again() {
    cancel = clock.after(ms, again);
    act();
  }
  return () => cancel();
}
