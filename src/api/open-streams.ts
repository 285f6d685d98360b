import { GleanerError } from "../errors/gleaner-error.ts";
import { systemClock } from "../runtime/clock.ts";

/**
 * The long-lived answers of one server. No more than `countMax` are open at a time (I11); when the server stops they end
 * at once with the reason, so that their readers go elsewhere instead of holding the shutdown up.
 */
export class OpenStreams {
  readonly #countMax: number;
  readonly #stalledMsMax: number;
  readonly #tooMany: "TOO_MANY_WATCHERS" | "TOO_MANY_AGENTS";
  readonly #open = new Set<AbortController>();
  #stopped: GleanerError | null = null;

  /** A reader who takes nothing for `stalledMsMax` is cut off, and its place is free then. */
  constructor(
    countMax: number,
    stalledMsMax = Infinity,
    tooMany: "TOO_MANY_WATCHERS" | "TOO_MANY_AGENTS" = "TOO_MANY_WATCHERS",
  ) {
    this.#countMax = countMax;
    this.#stalledMsMax = stalledMsMax;
    this.#tooMany = tooMany;
  }

  /** `source` is handed a signal that aborts when the caller leaves and when the server stops. */
  async *serve<T>(
    caller: AbortSignal,
    source: (signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    this.#throwIfStopped();
    if (this.#open.size >= this.#countMax)
      throw new GleanerError(this.#tooMany, { countMax: this.#countMax });
    const stream = new AbortController();
    const leave = () => stream.abort(caller.reason);
    if (caller.aborted) leave();
    caller.addEventListener("abort", leave, { once: true });
    this.#open.add(stream);
    try {
      yield* whileRead(source(stream.signal), this.#stalledMsMax, () => this.#open.delete(stream));
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

/**
 * Passes the source on for as long as it is read. When the reader takes nothing for `stalledMsMax`, the source is left at
 * once and what it held is free; the reader hears WATCHER_STALLED should it ever read on, behind what lies on the wire.
 */
export async function* whileRead<T>(
  source: AsyncIterable<T>,
  stalledMsMax: number,
  cutOff: () => void = () => {},
): AsyncGenerator<T, void, undefined> {
  const items = source[Symbol.asyncIterator]();
  let stalled = false;
  const leave = () => {
    stalled = true;
    cutOff();
    void items.return?.();
  };
  try {
    for (let item = await items.next(); item.done !== true; item = await items.next()) {
      const disarm = stalledMsMax === Infinity ? () => {} : systemClock.after(stalledMsMax, leave);
      try {
        yield item.value;
      } finally {
        disarm();
      }
      if (stalled) throw new GleanerError("WATCHER_STALLED", { stalledMsMax });
    }
  } finally {
    await items.return?.();
  }
}

export async function* mapEach<From, To>(
  source: AsyncIterable<From>,
  convert: (item: From) => To,
): AsyncGenerator<To, void, undefined> {
  for await (const item of source) yield convert(item);
}
