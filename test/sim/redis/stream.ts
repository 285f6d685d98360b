export interface StreamEntry {
  readonly ms: number;
  readonly sequence: number;
  readonly fields: readonly string[];
}

export type StreamId = Pick<StreamEntry, "ms" | "sequence">;

/** Entries in the order of their ids, which grow also where the clock goes back. */
export class Stream {
  #entries: StreamEntry[];
  #last: StreamId;

  constructor(from?: Stream) {
    this.#entries = from === undefined ? [] : [...from.#entries];
    this.#last = from === undefined ? { ms: 0, sequence: 0 } : from.#last;
  }

  get length(): number {
    return this.#entries.length;
  }

  get entries(): readonly StreamEntry[] {
    return this.#entries;
  }

  add(nowMs: number, fields: readonly string[]): string {
    const { ms, sequence } = this.#last;
    const entry = nowMs > ms ? { ms: nowMs, sequence: 0, fields } : { ms, sequence: sequence + 1, fields };
    this.#last = entry;
    this.#entries.push(entry);
    return nameOf(entry);
  }

  after(id: StreamId, count: number): StreamEntry[] {
    const from = this.#firstNotBefore({ ms: id.ms, sequence: id.sequence + 1 });
    return this.#entries.slice(from, from + count);
  }

  /** Answers how many went. */
  trimBefore(id: StreamId): number {
    return this.#entries.splice(0, this.#firstNotBefore(id)).length;
  }

  #firstNotBefore({ ms, sequence }: StreamId): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle]!;
      if (entry.ms < ms || (entry.ms === ms && entry.sequence < sequence)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function nameOf({ ms, sequence }: StreamId): string {
  return `${ms}-${sequence}`;
}

export function streamIdOf(name: string): StreamId {
  const [ms, sequence] = name.split("-").map(Number);
  return { ms: ms ?? 0, sequence: sequence ?? 0 };
}
