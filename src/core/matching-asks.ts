import { fitWindow, timeNeed, type Fit, type TimeNeed } from "./fit.ts";
import type { Shape, WaitingGuest } from "./guest.ts";
import type { Heap } from "./heap.ts";
import type { GangHost } from "./matching-gangs.ts";
import type { Opportunity, Placement, Window } from "./placement.ts";
import type { CycleSettings } from "./snapshot.ts";

/**
 * What a guest asks for. Guests that ask for the same share one: what one found unsuitable is so for the next too, since what
 * is free only shrinks within a cycle. So each ask looks at each class of devices once.
 */
export interface Ask {
  readonly shape: Shape;
  readonly fits: NeedFits;
  /** Empty where the guest shares with nobody. */
  readonly trustGroup: string;
  /** Places up to which the ranking and the shared devices are used up. */
  nextRanked: number;
  nextShared: number;
  gangHosts: Heap<GangHost> | null;
  /** Nothing is left that fits. */
  isDone: boolean;
}

/** How every window suits one need, judged when first asked for. */
export class NeedFits {
  readonly need: TimeNeed;
  readonly #placement: Placement;
  readonly #settings: CycleSettings;
  readonly #fits: (Fit | undefined)[];
  #ranking: readonly Opportunity[] | null = null;

  constructor(need: TimeNeed, placement: Placement, settings: CycleSettings) {
    this.need = need;
    this.#placement = placement;
    this.#settings = settings;
    this.#fits = Array.from({ length: placement.windows.length });
  }

  of(window: Window): Fit {
    const known = this.#fits[window.index];
    if (known !== undefined) return known;
    const firstRung = window.pool.view?.policy.firstRung ?? "vacate";
    const fit = fitWindow(window.curve, this.need, firstRung, this.#settings);
    this.#fits[window.index] = fit;
    return fit;
  }

  /** The free devices that fit, those worth most first. */
  get ranking(): readonly Opportunity[] {
    this.#ranking ??= this.#placement.opportunities
      .filter(({ window }) => this.of(window).obstacle === null)
      .sort((a, b) => this.#worthMore(a, b));
    return this.#ranking;
  }

  #worthMore(a: Opportunity, b: Opportunity): number {
    const difference = this.of(b.window).valueMs - this.of(a.window).valueMs;
    return difference !== 0 ? difference : a.firstUuid < b.firstUuid ? -1 : 1;
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
    const trustGroup = shape.sharePermille < 1000 ? guest.spec.trustGroup : "";
    const { need } = fits;
    const hash = mix(mix(mix(shape.devices, shape.sharePermille), shape.memoryMib ?? -1), need.horizonMs);
    const alike = bucket(this.#asks, hash);
    for (const ask of alike)
      if (ask.fits === fits && ask.trustGroup === trustGroup && sameShape(ask.shape, shape)) return ask;
    const ask: Ask = {
      shape,
      fits,
      trustGroup,
      nextRanked: 0,
      nextShared: 0,
      gangHosts: null,
      isDone: false,
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
