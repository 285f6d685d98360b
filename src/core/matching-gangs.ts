import type { Shape } from "./guest.ts";
import { Heap } from "./heap.ts";
import type { Ask } from "./matching-asks.ts";
import { canHostWhole } from "./matching-shape.ts";
import { findSites, type Sites } from "./matching-sites.ts";
import type { Opportunity, Placement } from "./placement.ts";

export interface Member {
  readonly place: number;
  readonly opportunity: Opportunity;
}

/** The sites as one ask sees them. */
export interface GangView {
  /** By site; what it was worth when last looked at. It can only fall. */
  readonly valuesMs: Float64Array;
  /** By opportunity: 1 where kind and memory are right; null where the ask takes any. */
  readonly suits: Uint8Array | null;
  /** Sites that had enough, the one worth most first. */
  hosts: Heap<number>;
}

/**
 * Finds hosts for gangs. A gang is worth what its worst member is, since returns on one host come together: its value is the
 * n-th best of the site, never a product of chances.
 */
export class Gangs {
  readonly #placement: Placement;
  readonly #sites: Sites;
  /** By opportunity. */
  readonly #windows: Int32Array;
  #best = new Float64Array(8);

  constructor(placement: Placement) {
    this.#placement = placement;
    this.#sites = findSites(placement);
    this.#windows = new Int32Array(placement.opportunities.length);
    for (const { index, window } of placement.opportunities) this.#windows[index] = window.index;
  }

  /** The members, the one worth least last; null: no host has enough that fit. */
  find(ask: Ask): readonly Member[] | null {
    const view = (ask.gang ??= this.#viewOf(ask));
    const { hosts, valuesMs } = view;
    for (let site = hosts.first; site !== undefined; site = hosts.first) {
      const valueMs = this.#valueMs(ask, view, site);
      if (valueMs === -Infinity) hosts.removeFirst();
      else if (valueMs === valuesMs[site]) return this.#bestOf(ask, view, site);
      else {
        valuesMs[site] = valueMs;
        hosts.settleFirst();
      }
    }
    return null;
  }

  #viewOf(ask: Ask): GangView {
    const valuesMs = new Float64Array(this.#sites.count);
    const worthMore = (a: number, b: number) =>
      valuesMs[a] === valuesMs[b] ? a < b : valuesMs[a]! > valuesMs[b]!;
    const view = { valuesMs, suits: this.#suits(ask.shape), hosts: new Heap(worthMore) };
    const enough: number[] = [];
    for (let site = 0; site < valuesMs.length; site++) {
      const valueMs = this.#valueMs(ask, view, site);
      valuesMs[site] = valueMs;
      if (valueMs > -Infinity) enough.push(site);
    }
    view.hosts = new Heap(worthMore, enough);
    return view;
  }

  #suits(shape: Shape): Uint8Array | null {
    if (shape.model === "" && shape.pools.length === 0 && shape.memoryMib === null) return null;
    const { opportunities } = this.#placement;
    const suits = new Uint8Array(opportunities.length);
    for (const opportunity of opportunities)
      if (canHostWhole(shape, opportunity)) suits[opportunity.index] = 1;
    return suits;
  }

  /** What the worst of the best so many is worth; −∞ where there are not enough. */
  #valueMs({ shape, fits }: Ask, { suits }: GangView, site: number): number {
    const { devices } = shape;
    const { starts, places, opportunities, pools } = this.#sites;
    const start = starts[site]!;
    const end = starts[site + 1]!;
    if (end - start < devices || pools[site]!.budget < devices) return -Infinity;
    if (this.#best.length < devices) this.#best = new Float64Array(devices);
    const best = this.#best;
    let count = 0;
    for (let member = start; member < end; member++) {
      const opportunity = opportunities[member]!;
      const valueMs = fits.valuesMs[this.#windows[opportunity]!]!;
      if (valueMs === -Infinity || this.#placement.isTaken(places[member]!)) continue;
      if (suits !== null && suits[opportunity] === 0) continue;
      if (count === devices && valueMs <= best[count - 1]!) continue;
      let at = count < devices ? count++ : count - 1;
      for (; at > 0 && best[at - 1]! < valueMs; at--) best[at] = best[at - 1]!;
      best[at] = valueMs;
    }
    return count < devices ? -Infinity : best[devices - 1]!;
  }

  #bestOf({ shape, fits }: Ask, { suits }: GangView, site: number): Member[] {
    const { starts, places, opportunities } = this.#sites;
    const members: Member[] = [];
    for (let member = starts[site]!; member < starts[site + 1]!; member++) {
      const place = places[member]!;
      const opportunity = this.#placement.opportunities[opportunities[member]!]!;
      if (!fits.fits(opportunity.window) || this.#placement.isTaken(place)) continue;
      if (suits === null || suits[opportunity.index] === 1) members.push({ place, opportunity });
    }
    const valueMs = ({ opportunity }: Member) => fits.valuesMs[opportunity.window.index]!;
    const uuid = ({ place }: Member) => this.#placement.devices[place]!.info.uuid;
    return members
      .toSorted((a, b) => valueMs(b) - valueMs(a) || (uuid(a) < uuid(b) ? -1 : 1))
      .slice(0, shape.devices);
  }
}
