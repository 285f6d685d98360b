import { z } from "zod";
import { compareTokens, type FencingToken } from "../../core/lease.ts";
import type { Disk } from "./disk.ts";
import { readJson } from "./json-file.ts";

interface LeaderId {
  readonly generation: number;
  readonly epoch: number;
  /** Tells two of one epoch apart, which two pasts of one Redis can make. */
  readonly nonce: string;
}

interface FenceState extends Omit<LeaderId, "nonce"> {
  readonly version: 1;
  readonly nonce?: string;
  readonly tokens: Readonly<Record<string, FencingToken>>;
}

const empty: FenceState = { version: 1, generation: 0, epoch: 0, tokens: {} };

/** The newest leader and the largest token of each device that this agent has seen, kept on disk (I2). */
export class Fence {
  readonly #disk: Disk;
  readonly #file: string;
  #leader: LeaderId | null;
  readonly #tokens: Map<string, FencingToken>;
  /** Writes that are asked for while one runs share the next one. */
  #writing: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  /** Throws AGENT_STATE_UNREADABLE: without its memory an agent must not start anything. */
  constructor(disk: Disk, file: string) {
    this.#disk = disk;
    this.#file = file;
    const state = readJson<FenceState>(disk, file, isFenceState) ?? empty;
    const { generation, epoch, nonce = "" } = state;
    this.#leader = epoch === 0 ? null : { generation, epoch, nonce };
    this.#tokens = new Map(Object.entries(state.tokens));
  }

  get epoch(): number {
    return this.#leader?.epoch ?? 0;
  }

  /** The same object until a newer one is admitted. null: none was heard of yet. */
  get newestLeader(): LeaderId | null {
    return this.#leader;
  }

  /** Whether this leader is the newest heard of; a newer one is remembered from now on. Of two of one epoch, the first is. */
  admitLeader({ generation, epoch, nonce }: LeaderId): boolean {
    const known = this.#leader;
    const order = known === null ? 1 : generation - known.generation || epoch - known.epoch;
    const isKnown = order === 0 && nonce === known?.nonce;
    if (order > 0 || (order === 0 && known?.nonce === "")) this.#leader = { generation, epoch, nonce };
    return isKnown || this.#leader !== known;
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
        const { generation, epoch, nonce } = this.#leader ?? { generation: 0, epoch: 0, nonce: "" };
        const state: FenceState = { version: 1, generation, epoch, nonce, tokens };
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
