import type { OwnerState } from "../device.ts";
import { Decay } from "./decay.ts";
import { Slots } from "./slots.ts";

/** Memory that moves by less while nothing computes is noise of the driver, MiB. */
const movedMib = 8;

/** The values that are kept of a device. What ends in a number fades with a half-life of so many minutes. */
export const F = {
  lastAtMs: 0,
  /** Index into `owners`. */
  owner: 1,
  sinceMs: 2,
  /** When the owner was last seen to do anything: utilisation, or memory that moved. */
  touchedMs: 3,
  memoryMib: 4,
  stepMib: 5,
  stepBeforeMib: 6,
  churnMib5: 7,
  busy15: 8,
  busy60: 9,
  busy240: 10,
  known15: 11,
  known60: 12,
  known240: 13,
  touched15: 14,
  touched60: 15,
  returns15: 16,
  returns60: 17,
  idleMs15: 18,
  idleMs60: 19,
  /** Mean of ln(length of an idle run, min); NaN before the first. */
  lnIdleRun: 20,
  /** The most in the last busy run so far. */
  utilOfRunPct: 21,
  /** The most in the last busy run that has ended; NaN before the first. */
  utilLastPct: 22,
  /** Readings that were due while the device was idle, and those of them that did not come or did not tell; both fade with their number. */
  due: 23,
  lost: 24,
} as const;

const owners: readonly OwnerState[] = ["unknown", "idle", "busy"];
const minuteMs = 60_000;
const halfLivesMs = [5, 15, 60, 240].map((minutes) => minutes * minuteMs);
/** Weight of the last idle run in the mean of their logarithms. */
const runWeight = 0.3;
/** What was seen of lost readings fades by so much with each, to a part of e over 32; the pool's share of them weighs as much as so many. */
const lostKept = Math.exp(-1 / 32);
const lostBelief = 1;

export interface Observed {
  /** Since the device's last reading, ms; 0 at the first and after a gap. */
  readonly elapsedMs: number;
  /** The device was idle at the last reading, and is still (false) or its owner is back (true); null: neither. */
  readonly returned: boolean | null;
  /** The device was idle at the last reading and what became of that is not known. */
  readonly lost: boolean;
  readonly touched: boolean;
}

/** What every device did lately, in a bounded number of values each. */
export class DeviceHistories {
  readonly #slots = new Slots(Float64Array, Object.keys(F).length);
  readonly #decay = new Decay(halfLivesMs);
  readonly #gapMs: number;

  /** Readings further apart than `gapMs` have a gap between them in which nothing is known. */
  constructor(gapMs: number) {
    this.#gapMs = gapMs;
  }

  open(slot: number): void {
    this.#slots.clear(slot);
    const h = this.#slots.of(slot);
    h[F.lastAtMs] = -Infinity;
    h[F.memoryMib] = h[F.lnIdleRun] = h[F.utilLastPct] = NaN;
  }

  of(slot: number): Float64Array {
    return this.#slots.of(slot);
  }

  owner(slot: number): OwnerState {
    return owners[this.of(slot)[F.owner]!]!;
  }

  /** P(the device is lost to sight by its next reading), drawn to that of its pool. */
  lostChance(slot: number, poolChance: number): number {
    const h = this.of(slot);
    return (h[F.lost]! + lostBelief * poolChance) / (h[F.due]! + lostBelief);
  }

  observe(
    slot: number,
    atMs: number,
    owner: OwnerState,
    utilPct: number | null,
    memoryMib: number | null,
  ): Observed {
    const h = this.#slots.of(slot);
    const gap = !(atMs - h[F.lastAtMs]! <= this.#gapMs);
    const elapsedMs = gap ? 0 : atMs - h[F.lastAtMs]!;
    const before = gap ? "unknown" : owners[h[F.owner]!]!;
    const returned = before === "idle" && owner !== "unknown" ? owner === "busy" : null;
    const lost = returned === null && owners[h[F.owner]!] === "idle";
    if (lost || returned !== null) takeSight(h, lost);
    this.#takeMemory(h, memoryMib, gap);
    const touched = owner === "busy" || Math.abs(h[F.stepMib]!) >= movedMib;
    if (touched || h[F.lastAtMs] === -Infinity) h[F.touchedMs] = atMs;
    if (elapsedMs > 0) this.#fade(h, elapsedMs, before, owner, touched);
    if (owner !== before || gap) turn(h, atMs, before, owner);
    if (owner === "busy") h[F.utilOfRunPct] = Math.max(h[F.utilOfRunPct]!, utilPct ?? 0);
    h[F.owner] = owners.indexOf(owner);
    h[F.lastAtMs] = atMs;
    return { elapsedMs, returned, lost, touched };
  }

  #takeMemory(h: Float64Array, memoryMib: number | null, gap: boolean): void {
    h[F.stepBeforeMib] = h[F.stepMib]!;
    const step = memoryMib === null || gap ? 0 : memoryMib - h[F.memoryMib]!;
    h[F.stepMib] = Number.isNaN(step) ? 0 : step;
    if (memoryMib !== null) h[F.memoryMib] = memoryMib;
  }

  #fade(h: Float64Array, elapsedMs: number, before: OwnerState, owner: OwnerState, touched: boolean): void {
    const [left5, left15, left60, left240] = this.#decay.after(elapsedMs) as unknown as [
      number,
      number,
      number,
      number,
    ];
    const busy = before === "busy" ? 1 : 0;
    mix(h, F.churnMib5, left5, Math.abs(h[F.stepMib]!));
    mix(h, F.busy15, left15, busy);
    mix(h, F.busy60, left60, busy);
    mix(h, F.busy240, left240, busy);
    mix(h, F.known15, left15, 1);
    mix(h, F.known60, left60, 1);
    mix(h, F.known240, left240, 1);
    mix(h, F.touched15, left15, touched ? 1 : 0);
    mix(h, F.touched60, left60, touched ? 1 : 0);
    const idleMs = before === "idle" ? elapsedMs : 0;
    const returns = idleMs > 0 && owner === "busy" ? 1 : 0;
    h[F.returns15] = h[F.returns15]! * left15 + returns;
    h[F.returns60] = h[F.returns60]! * left60 + returns;
    h[F.idleMs15] = h[F.idleMs15]! * left15 + idleMs;
    h[F.idleMs60] = h[F.idleMs60]! * left60 + idleMs;
  }
}

function mix(h: Float64Array, field: number, left: number, value: number): void {
  h[field] = h[field]! * left + (1 - left) * value;
}

function takeSight(h: Float64Array, lost: boolean): void {
  h[F.due] = h[F.due]! * lostKept + 1;
  h[F.lost] = h[F.lost]! * lostKept + (lost ? 1 : 0);
}

/** The owner's state changed, or is known anew after a gap. */
function turn(h: Float64Array, atMs: number, before: OwnerState, owner: OwnerState): void {
  if (before === "idle") {
    const lnRun = Math.log((atMs - h[F.sinceMs]!) / minuteMs);
    const mean = h[F.lnIdleRun]!;
    h[F.lnIdleRun] = Number.isNaN(mean) ? lnRun : mean + runWeight * (lnRun - mean);
  }
  if (before === "busy") h[F.utilLastPct] = h[F.utilOfRunPct]!;
  if (owner === "busy") h[F.utilOfRunPct] = 0;
  h[F.sinceMs] = atMs;
}
