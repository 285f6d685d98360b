export interface ShutdownOptions {
  /** Called once, at the first SIGINT or SIGTERM. */
  readonly onDrain: (signal: NodeJS.Signals) => void;
  /** What SIGUSR2 prints to stderr, as JSON. */
  readonly dump?: () => unknown;
}

export interface Shutdown extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM: finish what is begun, begin nothing new. */
  readonly signal: AbortSignal;
}

const signalNumber = { SIGINT: 2, SIGTERM: 15 } as const;

/** The first SIGINT or SIGTERM drains, the second exits at once with 128 + its number. Disposed of, the signals act as before. */
export function listenForShutdown({ onDrain, dump }: ShutdownOptions): Shutdown {
  const draining = new AbortController();
  const stop = (signal: "SIGINT" | "SIGTERM") => {
    if (draining.signal.aborted) process.exit(128 + signalNumber[signal]);
    draining.abort();
    onDrain(signal);
  };
  const print = () => {
    process.stderr.write(`${JSON.stringify(dump?.(), null, 2)}\n`);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  if (dump !== undefined) process.on("SIGUSR2", print);
  return {
    signal: draining.signal,
    [Symbol.dispose]() {
      process.off("SIGINT", stop).off("SIGTERM", stop).off("SIGUSR2", print);
    },
  };
}
