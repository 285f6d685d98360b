/** One at a time, in the order of asking; only so many wait. */
export class Turns {
  readonly #waitingMax: number;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #isTaken = false;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** Nobody else can wait now. */
  get isFull(): boolean {
    return this.#isTaken && this.#waiting.length >= this.#waitingMax;
  }

  /** The caller's turn, from now until `pass`. Who leaves by the signal before has none: throws its reason. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isTaken) {
      this.#isTaken = true;
      return;
    }
    const turn = Promise.withResolvers<void>();
    this.#waiting.push(turn);
    const leave = () => {
      const place = this.#waiting.indexOf(turn);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      turn.reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isTaken = false;
    else next.resolve();
  }
}

/** What the promise gives, unless the signal aborts first: then its reason is thrown, and the promise's end is nobody's. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const gone = Promise.withResolvers<never>();
  const leave = () => gone.reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([gone.promise, promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
