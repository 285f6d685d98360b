import type { OwnerState } from "../device.ts";
import { Decay } from "./decay.ts";
import type { Observed } from "./device-history.ts";

const minuteMs = 60_000;
/** Weight of one interval in the mean of the intervals between readings. */
const intervalWeight = 0.02;
/** Of the windows of returns, minutes; none is shorter than the interval between readings. */
const returnMinutes = [1, 3, 10] as const;

/** A mean over readings that fades: as of now, and over some minutes. */
interface Share {
  now: number;
  slow: number;
}

/** What the devices of a pool did together lately. Sums fade with time, so that it needs no sweep over the devices. */
export class PoolHistory {
  /** Mean interval between the readings of one device, ms. */
  intervalMs = minuteMs;
  #lastAtMs = -Infinity;
  #intervals = 0;
  #known = { now: 0, m5: 0, m20: 0 };
  #busy = { now: 0, m20: 0 };
  #touched = { now: 0, m5: 0 };
  readonly #returns = new Float64Array(returnMinutes.length);
  readonly #risk = new Float64Array(returnMinutes.length);
  readonly #slow = new Decay([5 * minuteMs, 20 * minuteMs]);

  observe(atMs: number, owner: OwnerState, { elapsedMs, returned, touched }: Observed): void {
    if (elapsedMs > 0) this.#takeInterval(elapsedMs);
    if (atMs > this.#lastAtMs) this.#fade(atMs);
    if (owner === "unknown") return;
    const busy = owner === "busy" ? 1 : 0;
    const moved = touched ? 1 : 0;
    this.#known.now += 1;
    this.#known.m5 += 1;
    this.#known.m20 += 1;
    this.#busy.now += busy;
    this.#busy.m20 += busy;
    this.#touched.now += moved;
    this.#touched.m5 += moved;
    if (returned === null) return;
    for (let i = 0; i < returnMinutes.length; i++) {
      this.#risk[i]! += 1;
      if (returned) this.#returns[i]! += 1;
    }
  }

  /** Share of the known devices that are busy. */
  get busyShare(): Share {
    return {
      now: this.#busy.now / Math.max(1, this.#known.now),
      slow: ratio(this.#busy.m20, this.#known.m20),
    };
  }

  get touchedShare(): number {
    return ratio(this.#touched.m5, this.#known.m5);
  }

  /** ln of the returns per idle device and interval, over about 1, 3 and 10 minutes. */
  lnReturns(window: 0 | 1 | 2): number {
    return Math.log((this.#returns[window]! + 0.1) / (this.#risk[window]! + 1));
  }

  #takeInterval(elapsedMs: number): void {
    this.#intervals += 1;
    const weight = Math.max(intervalWeight, 1 / this.#intervals);
    this.intervalMs += weight * (elapsedMs - this.intervalMs);
  }

  #fade(atMs: number): void {
    const elapsedMs = atMs - this.#lastAtMs;
    this.#lastAtMs = atMs;
    const now = Math.exp((-2 * elapsedMs) / this.intervalMs);
    const [left5, left20] = this.#slow.after(elapsedMs) as unknown as [number, number];
    this.#known = { now: this.#known.now * now, m5: this.#known.m5 * left5, m20: this.#known.m20 * left20 };
    this.#busy = { now: this.#busy.now * now, m20: this.#busy.m20 * left20 };
    this.#touched = { now: this.#touched.now * now, m5: this.#touched.m5 * left5 };
    for (const [i, minutes] of returnMinutes.entries()) {
      const left = Math.exp(-elapsedMs / Math.max(this.intervalMs, minutes * minuteMs));
      this.#returns[i]! *= left;
      this.#risk[i]! *= left;
    }
  }
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}
