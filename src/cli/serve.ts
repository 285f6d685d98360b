import { once } from "node:events";
import { listenForShutdown } from "../runtime/shutdown.ts";
import { parentGone, tellReady, type ReadyMessage } from "./child-channel.ts";

export interface Served {
  /** What others reach it at. */
  readonly addresses: ReadyMessage["ready"];
  stop(): Promise<void>;
  debugDump?(): unknown;
}

/**
 * Runs a process's main part until SIGINT, SIGTERM or the end of the parent that supervises it, then stops it in order.
 * `start` gets a signal that aborts at the same moment, so that an interrupted start ends too.
 */
export async function serveUntilStopped(start: (signal: AbortSignal) => Promise<Served>): Promise<void> {
  const stopping = new AbortController();
  let served: Served | null = null;
  using _ = listenForShutdown({
    onDrain: () => stopping.abort(),
    dump: () => served?.debugDump?.() ?? "still starting",
  });
  void parentGone().then(() => stopping.abort());
  served = await start(stopping.signal);
  tellReady(served.addresses);
  if (!stopping.signal.aborted) await once(stopping.signal, "abort");
  await served.stop();
  // The channel to the parent would keep the process alive.
  if (process.connected) process.disconnect();
}
