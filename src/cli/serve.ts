import { once } from "node:events";
import { listenForShutdown } from "../runtime/shutdown.ts";
import { parentGone, tellReady, type ReadyMessage } from "./child-channel.ts";

export interface Served {
  /** What others reach it at. */
  readonly addresses: ReadyMessage["ready"];
  /** Aborts when it cannot go on; its reason is the error that the process ends with. */
  readonly lost?: AbortSignal;
  stop(): Promise<void>;
  debugDump(): unknown;
}

/**
 * Runs a process's main part until SIGINT, SIGTERM, the end of the parent that supervises it, or until it is lost, then
 * stops it in order.
 * `start` gets a signal that aborts at the same moment, so that an interrupted start ends too. What a signal stops and
 * that is not through after `graceMs` is ended at once.
 */
export async function serveUntilStopped(
  graceMs: number,
  start: (signal: AbortSignal) => Promise<Served>,
): Promise<void> {
  const stopping = new AbortController();
  let served: Served | null = null;
  using _ = listenForShutdown({
    onDrain: () => stopping.abort(),
    dump: () => served?.debugDump() ?? { starting: true },
    graceMs,
  });
  void parentGone().then(() => stopping.abort());
  served = await start(stopping.signal);
  tellReady(served.addresses);
  const { lost } = served;
  const over = lost === undefined ? stopping.signal : AbortSignal.any([stopping.signal, lost]);
  if (!over.aborted) await once(over, "abort");
  await served.stop();
  lost?.throwIfAborted();
  // The channel to the parent would keep the process alive.
  if (process.connected) process.disconnect();
}
