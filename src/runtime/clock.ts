import { setTimeout as sleepFor } from "node:timers/promises";

/** Time as a parameter, so that tests and the simulator can own it. */
export interface Clock {
  /** Never goes back; only differences mean something. */
  monotonicMs(): number;
  wallMs(): number;
  /** Resolves early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

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
};
