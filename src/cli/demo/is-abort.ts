/** Thrown because our own signal aborted. */
export function isAbort(thrown: unknown, signal: AbortSignal): boolean {
  return signal.aborted && thrown instanceof Error && thrown.name === "AbortError";
}
