/**
 * A bounded queue from any number of writers to one reader, for streams. A writer never waits: it is told when the reader
 * is too far behind, and decides what that means (I11).
 */
export class Channel<T> implements AsyncIterableIterator<T, undefined> {
  readonly capacity: number;
  #items: T[] = [];
  #head = 0;
  #waiting: PromiseWithResolvers<IteratorResult<T, undefined>> | null = null;
  #ended = false;
  #failure: { readonly thrown: unknown } | null = null;
  #forgetSignal = () => {};

  /** When `signal` aborts the reader is gone: what is queued is dropped, and reading ends without an error. */
  constructor(capacity: number, signal?: AbortSignal) {
    this.capacity = capacity;
    if (signal === undefined) return;
    const leave = () => void this.return();
    signal.addEventListener("abort", leave, { once: true });
    this.#forgetSignal = () => signal.removeEventListener("abort", leave);
    if (signal.aborted) leave();
  }

  /** Items queued and not yet read. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Closed, failed, or left by the reader: nothing more is taken. */
  get ended(): boolean {
    return this.#ended;
  }

  /** False when the item was not taken: the channel is full, or it has `ended`. */
  push(item: T): boolean {
    if (this.#ended) return false;
    if (this.#waiting !== null) {
      this.#wake().resolve({ done: false, value: item });
      return true;
    }
    if (this.size >= this.capacity) return false;
    this.#items.push(item);
    return true;
  }

  /** The reader gets what is queued, then the end. */
  close(): void {
    if (this.#ended) return;
    this.#end();
    if (this.#waiting !== null) this.#wake().resolve({ done: true, value: undefined });
  }

  /** The reader gets what is queued, then the error. */
  fail(thrown: unknown): void {
    if (this.#ended) return;
    this.#end();
    if (this.#waiting === null) this.#failure = { thrown };
    else this.#wake().reject(thrown);
  }

  /** One at a time: a second call before the first has settled is a defect of the caller and throws. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting !== null) throw new Error("a channel has one reader");
    if (this.size > 0) return Promise.resolve({ done: false, value: this.#shift() });
    if (this.#failure !== null) {
      const { thrown } = this.#failure;
      this.#failure = null;
      return Promise.reject(thrown);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** The reader leaves, as `break` in a `for await` does. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#items = [];
    this.#head = 0;
    this.#failure = null;
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #end(): void {
    this.#ended = true;
    this.#forgetSignal();
  }

  #wake(): PromiseWithResolvers<IteratorResult<T, undefined>> {
    const waiting = this.#waiting!;
    this.#waiting = null;
    return waiting;
  }

  /** Taking from a moving head keeps this O(1) where Array.shift copies the rest. */
  #shift(): T {
    const item = this.#items[this.#head]!;
    this.#items[this.#head] = undefined as T;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
