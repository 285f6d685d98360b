import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { PoolView, Snapshot, TenantUse, CycleLimits } from "../core/snapshot.ts";
import type { WaitingGuest } from "../core/guest.ts";
import type { Slices } from "./slices.ts";
import type { Filled } from "./slot-mirror.ts";
import { MirroredSnapshots, SnapshotMirror, type MirrorPart, type PlainDevice } from "./snapshot-mirror.ts";

/** One cycle: what the core saw and what it decided. */
export interface DecidedCycle {
  /** Wall clock. */
  readonly atMs: number;
  readonly snapshot: Snapshot;
  readonly decisions: CycleDecisions;
}

/** A cycle as the journal has it. */
export interface JournalledCycle extends DecidedCycle {
  /** Cycles between the one before and this that would have been kept, had the disk been fast enough. */
  readonly missed: number;
}

/** A line of a cycle's text, as JSON. What does not change between two cycles of a file is said in the first only. */
type Line =
  | { readonly kind: "cycle"; readonly atMs: number; readonly missed: number }
  | Extract<MirrorPart, { kind: "curves" }>
  | { readonly kind: "devices"; readonly filled: readonly Filled<PlainDevice>[] }
  | { readonly kind: "guests"; readonly filled: readonly Filled<WaitingGuest>[] }
  | { readonly kind: "pools"; readonly pools: readonly (readonly [string, PoolView])[] }
  | { readonly kind: "deviceOrder" | "guestOrder"; readonly steps: string }
  | {
      readonly kind: "snapshot";
      readonly nowMs: number;
      readonly limits: CycleLimits;
      readonly tenants: readonly TenantUse[];
    }
  | { readonly kind: "lends"; readonly lends: readonly Lend[] }
  | { readonly kind: "decided"; readonly waits: string; readonly unlent: string };

/** Less than a millisecond to write as JSON. */
const lendsPerLine = 64;

/** Writes the cycles of one file as text, each with what is new since the one before. */
export class CycleWriter {
  #lines: Buffer[] = [];
  readonly #mirror = new SnapshotMirror((part) => this.#write(part));
  /** By kind. */
  readonly #written = new Map<string, string>();

  /** One call at a time. */
  async write(
    { atMs, missed, snapshot, decisions }: JournalledCycle,
    slices: Slices,
  ): Promise<readonly Buffer[]> {
    this.#lines = [];
    this.#write({ kind: "cycle", atMs, missed });
    const { nowMs, limits, tenants, pools, devices, guests } = await this.#mirror.sync(snapshot, slices);
    this.#writeChanged({ kind: "pools", pools: [...pools] });
    await slices.breathe();
    this.#writeChanged({ kind: "deviceOrder", steps: stepsOf(devices) });
    this.#writeChanged({ kind: "guestOrder", steps: stepsOf(guests) });
    this.#write({ kind: "snapshot", nowMs, limits, tenants });
    const { lends, waits, unlent } = decisions;
    for (let from = 0; from < lends.length; from += lendsPerLine) {
      await slices.breathe();
      this.#write({ kind: "lends", lends: lends.slice(from, from + lendsPerLine) });
    }
    this.#write({ kind: "decided", waits: base64Of(waits), unlent: base64Of(unlent) });
    return this.#lines;
  }

  #write(line: Line): void {
    this.#lines.push(Buffer.from(`${JSON.stringify(line)}\n`));
  }

  #writeChanged(line: Line): void {
    const text = `${JSON.stringify(line)}\n`;
    if (this.#written.get(line.kind) === text) return;
    this.#written.set(line.kind, text);
    this.#lines.push(Buffer.from(text));
  }
}

/** Reads them again, in their order. */
export class CycleReader {
  readonly #mirror = new MirroredSnapshots();
  #pools: ReadonlyMap<string, PoolView> = new Map();
  #devices = new Int32Array();
  #guests = new Int32Array();

  /** Throws where the text is no cycle's. */
  read(text: string): JournalledCycle {
    let cycle: { atMs: number; missed: number } | null = null;
    let snapshot: Snapshot | null = null;
    let decisions: CycleDecisions | null = null;
    const lends: Lend[] = [];
    for (const json of text.trimEnd().split("\n")) {
      const line = JSON.parse(json) as Line;
      switch (line.kind) {
        case "cycle":
          cycle = line;
          break;
        case "curves":
        case "devices":
        case "guests":
          this.#mirror.take(line);
          break;
        case "pools":
          this.#pools = new Map(line.pools);
          break;
        case "deviceOrder":
          this.#devices = slotsOf(line.steps);
          break;
        case "guestOrder":
          this.#guests = slotsOf(line.steps);
          break;
        case "snapshot": {
          const { nowMs, limits, tenants } = line;
          const [pools, devices, guests] = [this.#pools, this.#devices, this.#guests];
          snapshot = this.#mirror.snapshotOf({ nowMs, limits, tenants, pools, devices, guests });
          break;
        }
        case "lends":
          lends.push(...line.lends);
          break;
        case "decided":
          decisions = { lends, waits: bytesOf(line.waits), unlent: bytesOf(line.unlent) };
          break;
      }
    }
    if (cycle === null || snapshot === null || decisions === null) throw new Error("a part of it is missing");
    return { atMs: cycle.atMs, missed: cycle.missed, snapshot, decisions };
  }
}

/** Slots mostly follow each other: what is added to each packs well. */
function stepsOf(slots: Int32Array): string {
  return base64Of(slots.map((slot, place) => slot - (slots[place - 1] ?? 0)));
}

function slotsOf(steps: string): Int32Array<ArrayBuffer> {
  const slots = new Int32Array(bytesOf(steps).buffer);
  for (let place = 1; place < slots.length; place++) slots[place] = slots[place]! + slots[place - 1]!;
  return slots;
}

/** The bytes as they lie in memory: little-endian, as on all machines that Node runs on today but mainframes. */
function base64Of({ buffer, byteOffset, byteLength }: Uint8Array | Int32Array | Float64Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}
