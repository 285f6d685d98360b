/**
 * Between `up` or `demo` and the processes that they supervise: a child says once where it can be reached, and ends when
 * its parent is gone, however that went.
 */
export interface ReadyMessage {
  readonly ready: Readonly<Record<string, string>>;
  /** Of the child itself; a keeper may stand between. */
  readonly pid: number;
}

/** Tells the parent, where there is one. */
export function tellReady(addresses: ReadyMessage["ready"]): void {
  process.send?.({ ready: addresses, pid: process.pid } satisfies ReadyMessage);
}

/** Resolves when the parent is gone; never where there is none. */
export function parentGone(): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) return;
    if (process.connected) process.once("disconnect", resolve);
    else resolve();
  });
}

export function isReadyMessage(message: unknown): message is ReadyMessage {
  return typeof message === "object" && message !== null && "ready" in message;
}
