import type { OwnerState } from "../../core/device.ts";
import type { DeviceRules } from "../rules.ts";

/** Told when a sample, or the lack of one, begins to hold. */
type OnSegment = (atS: number, owner: OwnerState, fits: boolean) => void;

/** What the samples of one device say of its owner, from moment to moment: the last one for a while, then nothing. */
export class OwnerTimeline {
  owner: OwnerState = "unknown";
  /** The owner's memory and a guest's fit the device together. */
  fits = true;
  /** Since when both are as they are, s. */
  sinceS = NaN;
  readonly #rules: DeviceRules;
  readonly #onSegment: OnSegment;
  /** When the newest sample will hold no longer. */
  #lapseS = Infinity;

  constructor(rules: DeviceRules, onSegment: OnSegment) {
    this.#rules = rules;
    this.#onSegment = onSegment;
  }

  /** When the owner becomes unknown, if no sample comes before; Infinity: they are. */
  get lapseS(): number {
    return this.#lapseS;
  }

  /** A reading; NaN where a number is missing. */
  sample(atS: number, utilPct: number, memoryUsedMib: number): void {
    const { mode, busyPct, guestMib, deviceMib, holdS } = this.#rules;
    if (this.#lapseS < atS) this.#lapse();
    const missing = Number.isNaN(utilPct) || (mode === "pause" && Number.isNaN(memoryUsedMib));
    const owner = missing ? "unknown" : utilPct >= busyPct ? "busy" : "idle";
    this.#become(atS, owner, mode === "kill" || !(memoryUsedMib + guestMib > deviceMib));
    this.#lapseS = atS + holdS;
  }

  /** Lets a sample lapse whose time is over. */
  advance(nowS: number): void {
    if (this.#lapseS <= nowS) this.#lapse();
  }

  /** The trace's end: a sample that holds up to it does not lapse any more. */
  finish(traceEndS: number): void {
    if (this.#lapseS < traceEndS) this.#lapse();
  }

  #lapse(): void {
    const atS = this.#lapseS;
    this.#lapseS = Infinity;
    this.#become(atS, "unknown", true);
  }

  #become(atS: number, owner: OwnerState, fits: boolean): void {
    if (owner !== this.owner || fits !== this.fits || Number.isNaN(this.sinceS)) this.sinceS = atS;
    this.owner = owner;
    this.fits = fits;
    this.#onSegment(atS, owner, fits);
  }
}
