import { z } from "zod";
import { compareTokens, type FencingToken } from "../../core/lease.ts";
import type { Disk } from "./disk.ts";
import { readJson } from "./json-file.ts";

interface FenceState {
  readonly version: 1;
  /** The newest leader heard of. */
  readonly generation: number;
  readonly epoch: number;
  readonly tokens: Readonly<Record<string, FencingToken>>;
}

const empty: FenceState = { version: 1, generation: 0, epoch: 0, tokens: {} };

/** The newest leader and the largest token of each device that this agent has seen, kept on disk (I2). */
export class Fence {
  readonly #disk: Disk;
  readonly #file: string;
  #generation: number;
  #epoch: number;
  readonly #tokens: Map<string, FencingToken>;
  /** Writes that are asked for while one runs share the next one. */
  #writing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  /** Throws AGENT_STATE_UNREADABLE: without its memory an agent must not start anything. */
  constructor(disk: Disk, file: string) {
    this.#disk = disk;
    this.#file = file;
    const state = readJson<FenceState>(disk, file, isFenceState) ?? empty;
    this.#generation = state.generation;
    this.#epoch = state.epoch;
    this.#tokens = new Map(Object.entries(state.tokens));
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** null: none was heard of yet. */
  get newestLeader(): { generation: number; epoch: number } | null {
    return this.#epoch === 0 ? null : { generation: this.#generation, epoch: this.#epoch };
  }

  /** Whether a leader of this epoch is the newest heard of; a newer one is remembered from now on. */
  admitLeader(leader: { generation: number; epoch: number }): boolean {
    const order = leader.generation - this.#generation || leader.epoch - this.#epoch;
    if (order > 0) {
      this.#generation = leader.generation;
      this.#epoch = leader.epoch;
    }
    return order >= 0;
  }

  /** The device whose token is as large or larger; null where this one is the newest for all of them. */
  newerHolder(devices: readonly string[], token: FencingToken): string | null {
    return devices.find((device) => compareTokens(token, this.tokenOf(device)) <= 0) ?? null;
  }

  /** Takes effect at once; `save` makes it outlive the agent. */
  raise(devices: readonly string[], token: FencingToken): void {
    for (const device of devices) this.#tokens.set(device, token);
  }

  tokenOf(device: string): FencingToken {
    return this.#tokens.get(device) ?? { generation: 0, number: 0 };
  }

  tokens(): ReadonlyMap<string, FencingToken> {
    return this.#tokens;
  }

  /** Waits for writes that are on their way, however they end. */
  async settle(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#next]);
  }

  /** Resolves when all that is known at the call is on disk. */
  save(): Promise<void> {
    if (this.#next !== null) return this.#next;
    const before = this.#writing ?? Promise.resolve();
    const next = before
      .catch(() => {})
      .then(() => {
        this.#next = null;
        this.#writing = next;
        const tokens = Object.fromEntries(this.#tokens);
        const state: FenceState = { version: 1, generation: this.#generation, epoch: this.#epoch, tokens };
        return this.#disk.writeDurably(this.#file, JSON.stringify(state));
      });
    this.#next = next;
    return next;
  }
}

const shape = z.object({
  version: z.literal(1),
  generation: z.int(),
  epoch: z.int(),
  tokens: z.record(z.string(), z.object({ generation: z.int(), number: z.int() })),
});

function isFenceState(value: unknown): value is FenceState {
  return shape.safeParse(value).success;
}
