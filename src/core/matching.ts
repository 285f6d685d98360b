import type { Grant, WaitingGuest } from "./guest.ts";
import type { Fit } from "./fit.ts";
import { Asks, type Ask } from "./matching-asks.ts";
import { Gangs } from "./matching-gangs.ts";
import { canHostWhole, hasRoom } from "./matching-shape.ts";
import { memoryWanted } from "./placement-gate.ts";
import type { Opportunity, Placement, SharedDevice, Window } from "./placement.ts";
import type { ReasonCode } from "./reasons.ts";
import type { CycleSettings } from "./snapshot.ts";

/** What a guest gets. */
export interface Match {
  /** Of the first device, in the snapshot. */
  readonly place: number;
  readonly grants: readonly Grant[];
  /** Of the device with the worst forecast. */
  readonly window: Window;
  readonly fit: Fit;
  readonly leastMs: number;
  readonly reasonCode: Extract<ReasonCode, "fits" | "fills_shared">;
}

/** Places one guest after the other; what it hands out is taken from the placement. */
export class Matcher {
  readonly #placement: Placement;
  readonly #asks: Asks;
  readonly #gangs: Gangs;

  constructor(placement: Placement, settings: CycleSettings) {
    this.#placement = placement;
    this.#asks = new Asks(placement, settings);
    this.#gangs = new Gangs(placement);
  }

  /** null: nothing that fits is free. */
  place(guest: WaitingGuest): Match | null {
    const ask = this.#asks.of(guest);
    if (ask.isDone) return null;
    const match = this.#match(ask);
    if (match === null) ask.isDone = true;
    return match;
  }

  #match(ask: Ask): Match | null {
    if (ask.shape.devices > 1) return this.#matchGang(ask);
    if (ask.shape.sharePermille === 1000) return this.#matchWhole(ask);
    return this.#fillShared(ask) ?? this.#openShared(ask);
  }

  #matchWhole(ask: Ask): Match | null {
    const found = this.#best(ask);
    if (found === null) return null;
    const { place, opportunity } = found;
    this.#placement.take(place, opportunity.window.pool);
    return this.#matched(ask, opportunity.window, [this.#grant(ask, place, opportunity.lendableMib)], place);
  }

  #matchGang(ask: Ask): Match | null {
    const members = this.#gangs.find(ask);
    const worst = members?.at(-1);
    if (members === null || worst === undefined) return null;
    for (const { place, opportunity } of members) this.#placement.take(place, opportunity.window.pool);
    const grants = members.map(({ place, opportunity }) => this.#grant(ask, place, opportunity.lendableMib));
    return this.#matched(ask, worst.opportunity.window, grants, worst.place);
  }

  /** A device that is shared already comes first: another one opened is another owner who may meet a guest. */
  #fillShared(ask: Ask): Match | null {
    const list = this.#placement.shared.get(ask.trustGroup);
    for (; list !== undefined && ask.nextShared < list.length; ask.nextShared++) {
      const device = list[ask.nextShared]!;
      if (!hasRoom(ask.shape, device) || ask.fits.of(device.window).obstacle !== null) continue;
      return this.#share(ask, device, "fills_shared");
    }
    return null;
  }

  #openShared(ask: Ask): Match | null {
    const found = this.#best(ask);
    if (found === null || found.opportunity.lendableMib === null) return null;
    const { place, opportunity } = found;
    const { window, model, lendableMib } = found.opportunity;
    this.#placement.take(place, opportunity.window.pool);
    const device = { place, window, model, lendableMib, freePermille: 1000, freeMib: lendableMib };
    this.#placement.openShared(ask.trustGroup, device);
    return this.#share(ask, device, "fits");
  }

  #share(ask: Ask, device: SharedDevice, reasonCode: Match["reasonCode"]): Match {
    const grant = this.#grant(ask, device.place, device.lendableMib);
    this.#placement.takeShare(device, grant);
    return { ...this.#matched(ask, device.window, [grant], device.place), reasonCode };
  }

  /** The free device that is worth most to the ask. */
  #best(ask: Ask): { place: number; opportunity: Opportunity } | null {
    const { ranking } = ask.fits;
    for (; ask.nextRanked < ranking.length; ask.nextRanked++) {
      const opportunity = ranking[ask.nextRanked]!;
      if (opportunity.window.pool.budget === 0 || !canHostWhole(ask.shape, opportunity)) continue;
      const place = this.#placement.firstFree(opportunity);
      if (place !== null) return { place, opportunity };
    }
    return null;
  }

  #grant(ask: Ask, place: number, lendableMib: number | null): Grant {
    return {
      device: this.#placement.devices[place]!.info.uuid,
      sharePermille: ask.shape.sharePermille,
      memoryMib: memoryWanted(ask.shape, lendableMib) ?? 0,
    };
  }

  #matched(ask: Ask, window: Window, grants: readonly Grant[], place: number): Match {
    return {
      place,
      grants,
      window,
      fit: ask.fits.of(window),
      leastMs: ask.fits.need.leastMs,
      reasonCode: "fits",
    };
  }
}
