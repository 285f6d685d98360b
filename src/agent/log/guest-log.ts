import { open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A piece of what a guest printed. Positions count all bytes that it ever printed. */
export interface LogPart {
  readonly data: Uint8Array;
  /** Where to read on. */
  readonly position: number;
  /** Bytes between the position asked for and this part that the limit had dropped. */
  readonly droppedBytes: number;
}

/** What one attempt printed. */
export interface AttemptLog {
  readonly file: string;
  /** Keeps the limit; cheap while it is kept, and while an earlier call has not ended. */
  rotate(): Promise<void>;
  /** Up to `bytesMax` bytes from a position; empty at the end. */
  read(position: number, bytesMax: number): Promise<LogPart>;
  /** The position after the last byte. */
  end(): Promise<number>;
}

/**
 * The log of one attempt, bounded to about `bytesMax`: the file that the guest writes to, and one with what came before.
 * The guest's descriptor cannot be exchanged, so the file is copied away and emptied; being opened for appending, the next
 * write starts at 0. What the guest prints between the copy and the emptying is lost, and counted.
 */
export class GuestLog implements AttemptLog {
  readonly file: string;
  readonly #olderFile: string;
  readonly #droppedFile: string;
  readonly #bytesMax: number;
  /** One at a time: readers must not see a half-done rotation. */
  #turn: Promise<unknown> = Promise.resolve();
  #rotating = false;

  constructor(dir: string, bytesMax: number) {
    this.file = join(dir, "log");
    this.#olderFile = join(dir, "log.older");
    this.#droppedFile = join(dir, "log.dropped");
    this.#bytesMax = bytesMax;
  }

  async rotate(): Promise<void> {
    if (this.#rotating) return;
    this.#rotating = true;
    try {
      await this.#exclusive(async () => {
        if ((await sizeOf(this.file)) > this.#bytesMax / 2) await this.#rotate();
      });
    } finally {
      this.#rotating = false;
    }
  }

  read(position: number, bytesMax: number): Promise<LogPart> {
    return this.#exclusive(async () => {
      const { dropped, older, current } = await this.#extent();
      const from = Math.max(position, dropped);
      const inOlder = from < dropped + older;
      const [file, offset] = inOlder
        ? [this.#olderFile, from - dropped]
        : [this.file, from - dropped - older];
      const left = inOlder ? older - offset : Math.max(0, current - offset);
      const data = await readAt(file, offset, Math.min(left, bytesMax));
      return { data, position: from + data.length, droppedBytes: from - position };
    });
  }

  end(): Promise<number> {
    return this.#exclusive(async () => {
      const { dropped, older, current } = await this.#extent();
      return dropped + older + current;
    });
  }

  async #rotate(): Promise<void> {
    const { dropped, older } = await this.#extent();
    const guests = await open(this.file, "r+");
    try {
      const { size } = await guests.stat();
      const keep = Math.min(size, Math.floor(this.#bytesMax / 2));
      const tail = Buffer.alloc(keep);
      const { bytesRead } = await guests.read(tail, 0, keep, size - keep);
      await writeFile(`${this.#olderFile}.part`, tail.subarray(0, bytesRead));
      const late = (await guests.stat()).size - size;
      await guests.truncate(0);
      await writeFile(this.#droppedFile, String(dropped + older + size - bytesRead + late));
    } finally {
      await guests.close();
    }
    await rename(`${this.#olderFile}.part`, this.#olderFile);
  }

  async #extent(): Promise<{ dropped: number; older: number; current: number }> {
    const [dropped, older, current] = await Promise.all([
      readNumber(this.#droppedFile),
      sizeOf(this.#olderFile),
      sizeOf(this.file),
    ]);
    return { dropped, older, current };
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

async function sizeOf(file: string): Promise<number> {
  return (await ifThere(stat(file)))?.size ?? 0;
}

async function readNumber(file: string): Promise<number> {
  return Number((await ifThere(readFile(file, "latin1"))) ?? 0);
}

async function readAt(file: string, offset: number, bytes: number): Promise<Uint8Array> {
  const handle = bytes <= 0 ? null : await ifThere(open(file, "r"));
  if (handle === null) return new Uint8Array();
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function ifThere<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}
