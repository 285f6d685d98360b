import { GleanerError } from "../errors/gleaner-error.ts";

/**
 * The long-lived answers of one server. No more than `countMax` are open at a time (I11); when the server stops they end
 * at once with the reason, so that their readers go elsewhere instead of holding the shutdown up.
 */
export class OpenStreams {
  readonly #countMax: number;
  readonly #open = new Set<AbortController>();
  #stopped: GleanerError | null = null;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** `source` is handed a signal that aborts when the caller leaves and when the server stops. */
  async *serve<T>(
    caller: AbortSignal,
    source: (signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    this.#throwIfStopped();
    if (this.#open.size >= this.#countMax)
      throw new GleanerError("TOO_MANY_WATCHERS", { countMax: this.#countMax });
    const stream = new AbortController();
    const leave = () => stream.abort(caller.reason);
    if (caller.aborted) leave();
    caller.addEventListener("abort", leave, { once: true });
    this.#open.add(stream);
    try {
      yield* source(stream.signal);
    } catch (thrown) {
      this.#throwIfStopped();
      throw thrown;
    } finally {
      caller.removeEventListener("abort", leave);
      this.#open.delete(stream);
    }
    this.#throwIfStopped();
  }

  #throwIfStopped(): void {
    if (this.#stopped !== null) throw this.#stopped;
  }

  stop(why: GleanerError): void {
    this.#stopped = why;
    for (const stream of this.#open) stream.abort();
  }
}

export async function* mapEach<From, To>(
  source: AsyncIterable<From>,
  convert: (item: From) => To,
): AsyncGenerator<To, void, undefined> {
  for await (const item of source) yield convert(item);
}
