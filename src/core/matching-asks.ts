import { fitWindow, timeNeed, windowValueMs, type Fit, type TimeNeed } from "./fit.ts";
import type { Shape, WaitingGuest } from "./guest.ts";
import type { GangView } from "./matching-gangs.ts";
import type { Placement, Window } from "./placement.ts";
import type { CycleSettings } from "./snapshot.ts";

/**
 * What a guest asks for. Guests that ask for the same share one: what one found unsuitable is so for the next too, since what
 * is free only shrinks within a cycle. So each ask looks at each class of devices once.
 */
export interface Ask {
  readonly shape: Shape;
  readonly fits: NeedFits;
  /** Of the free devices: the window of the ranking and its opportunity up to which all is tried. */
  nextWindow: number;
  nextOpportunity: number;
  /** null: not a gang, or not tried yet. */
  gang: GangView | null;
  /** By trust group: how many of its shared devices are tried, for a share. */
  readonly nextShared: Map<string, number>;
}

/** What every window is worth to one need. */
export class NeedFits {
  readonly need: TimeNeed;
  /** By the window's index, in whole ms; −∞ where the window may not be lent for it. */
  readonly valuesMs: Float64Array;
  readonly #placement: Placement;
  readonly #settings: CycleSettings;
  #ranking: readonly Window[] | null = null;

  constructor(need: TimeNeed, placement: Placement, settings: CycleSettings) {
    this.need = need;
    this.#placement = placement;
    this.#settings = settings;
    this.valuesMs = new Float64Array(placement.windows.length);
    for (const { index, curve, pool } of placement.windows) {
      const valueMs = windowValueMs(curve, need, pool, settings);
      this.valuesMs[index] = valueMs > 0 ? Math.ceil(valueMs) : -Infinity;
    }
  }

  fitOf(window: Window): Fit {
    return fitWindow(window.curve, this.need, window.pool, this.#settings);
  }

  fits(window: Window): boolean {
    return this.valuesMs[window.index]! > -Infinity;
  }

  /** The windows that fit, those worth most first; equal ones by the smallest uuid in them. */
  get ranking(): readonly Window[] {
    if (this.#ranking !== null) return this.#ranking;
    const fitting = this.#placement.windowsByUuid.filter((window) => this.fits(window));
    // A number that holds the value and the place in the list sorts many times faster than a comparison function.
    const count = fitting.length;
    const keys = new Float64Array(count);
    for (let index = 0; index < count; index++)
      keys[index] = index - this.valuesMs[fitting[index]!.index]! * count;
    keys.sort();
    this.#ranking = [...keys].map((key) => fitting[((key % count) + count) % count]!);
    return this.#ranking;
  }
}

/** Finds the ask of each guest. */
export class Asks {
  readonly #placement: Placement;
  readonly #settings: CycleSettings;
  readonly #asks = new Map<number, Ask[]>();
  readonly #needs = new Map<number, NeedFits[]>();

  constructor(placement: Placement, settings: CycleSettings) {
    this.#placement = placement;
    this.#settings = settings;
  }

  of(guest: WaitingGuest): Ask {
    const { shape } = guest.spec;
    const fits = this.#fitsOf(timeNeed(guest, this.#settings));
    const { need } = fits;
    const hash = mix(mix(mix(shape.devices, shape.sharePermille), shape.memoryMib ?? -1), need.horizonMs);
    const alike = bucket(this.#asks, hash);
    for (const ask of alike) if (ask.fits === fits && sameShape(ask.shape, shape)) return ask;
    const ask: Ask = {
      shape,
      fits,
      nextWindow: 0,
      nextOpportunity: 0,
      gang: null,
      nextShared: new Map(),
    };
    alike.push(ask);
    return ask;
  }

  #fitsOf(need: TimeNeed): NeedFits {
    const alike = bucket(this.#needs, mix(mix(need.leastMs, need.horizonMs), need.noticeMs));
    for (const fits of alike) if (sameNeed(fits.need, need)) return fits;
    const fits = new NeedFits(need, this.#placement, this.#settings);
    alike.push(fits);
    return fits;
  }
}

function bucket<T>(buckets: Map<number, T[]>, hash: number): T[] {
  let list = buckets.get(hash);
  if (list === undefined) {
    list = [];
    buckets.set(hash, list);
  }
  return list;
}

function mix(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x9e3779b1) >>> 1;
}

function sameNeed(a: TimeNeed, b: TimeNeed): boolean {
  return (
    a.leastMs === b.leastMs &&
    a.horizonMs === b.horizonMs &&
    a.noticeMs === b.noticeMs &&
    a.startMs === b.startMs
  );
}

function sameShape(a: Shape, b: Shape): boolean {
  return (
    a.devices === b.devices &&
    a.sharePermille === b.sharePermille &&
    a.memoryMib === b.memoryMib &&
    a.model === b.model &&
    a.pools.length === b.pools.length &&
    a.pools.every((pool, index) => pool === b.pools[index])
  );
}
