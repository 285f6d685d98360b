import { systemClock } from "./clock.ts";

export interface ShutdownOptions {
  /** Called once, at the first SIGINT or SIGTERM. */
  readonly onDrain: (signal: NodeJS.Signals) => void;
  /** What SIGUSR2 prints to stderr, as one line of JSON. */
  readonly dump?: () => unknown;
  /** A drain that takes longer ends as a second signal does. Default: no limit. */
  readonly graceMs?: number;
}

export interface Shutdown extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM: finish what is begun, begin nothing new. */
  readonly signal: AbortSignal;
}

const signalNumber = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * The first SIGINT or SIGTERM drains; the second, or a drain that takes too long, exits at once with 128 + the signal's
 * number. Disposed of, the signals act as before.
 */
export function listenForShutdown({ onDrain, dump, graceMs }: ShutdownOptions): Shutdown {
  const draining = new AbortController();
  let disarm = () => {};
  const stop = (signal: "SIGINT" | "SIGTERM") => {
    const exit = () => process.exit(128 + signalNumber[signal]);
    if (draining.signal.aborted) exit();
    draining.abort();
    if (graceMs !== undefined)
      disarm = systemClock.after(graceMs, () => {
        process.stderr.write(`error: not stopped in order within ${graceMs} ms: ended at once\n`);
        exit();
      });
    onDrain(signal);
  };
  const print = () => {
    process.stderr.write(`${JSON.stringify(dump?.())}\n`);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  if (dump !== undefined) process.on("SIGUSR2", print);
  return {
    signal: draining.signal,
    [Symbol.dispose]() {
      disarm();
      process.off("SIGINT", stop).off("SIGTERM", stop).off("SIGUSR2", print);
    },
  };
}
