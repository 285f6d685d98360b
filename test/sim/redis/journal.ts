import { commandOf } from "./commands.ts";
import { Keyspace } from "./keyspace.ts";

interface Entry {
  readonly atMs: number;
  readonly wallMs: number;
  readonly command: string;
  readonly args: readonly string[];
}

interface Copy {
  /** Entries of all time that are in it. */
  readonly entries: number;
  readonly space: Keyspace;
}

/** Entries between two looks whether a copy is due. */
const lookEvery = 256;
const copiesMax = 64;

/** The append-only file, with copies on the way, so that any moment of late can be had again. */
export class Journal {
  #copies: Copy[] = [{ entries: 0, space: new Keyspace() }];
  #entries: Entry[] = [];
  /** Entries before the first that is kept. */
  #dropped = 0;

  append(entry: Entry, space: Keyspace): void {
    this.#entries.push(entry);
    const entries = this.#dropped + this.#entries.length;
    if (entries % lookEvery !== 0) return;
    // A copy costs by its size, which so many commands since the last one pay for.
    if (entries - this.#copies.at(-1)!.entries < space.size) return;
    this.#copies.push({ entries, space: new Keyspace(space) });
    if (this.#copies.length <= copiesMax) return;
    this.#copies.shift();
    const oldest = this.#copies[0]!.entries;
    this.#entries.splice(0, oldest - this.#dropped);
    this.#dropped = oldest;
  }

  /** Forgets what came after the moment (of the world); answers what was there, or the oldest that is known. */
  backTo(atMs: number): Keyspace {
    const after = this.#entries.findIndex((entry) => entry.atMs > atMs);
    if (after >= 0) this.#entries.length = after;
    const entries = this.#dropped + this.#entries.length;
    this.#copies = this.#copies.filter((copy) => copy.entries <= entries);
    const copy = this.#copies.at(-1)!;
    const space = new Keyspace(copy.space);
    for (const { wallMs, command, args } of this.#entries.slice(copy.entries - this.#dropped)) {
      space.nowMs = wallMs;
      try {
        commandOf(command).run(space, args);
      } catch {
        // It was refused the first time too.
      }
    }
    return space;
  }

  clear(): void {
    this.#copies = [{ entries: 0, space: new Keyspace() }];
    this.#entries = [];
    this.#dropped = 0;
  }
}
