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
  #gangs: Gangs | null = null;

  constructor(placement: Placement, settings: CycleSettings) {
    this.#placement = placement;
    this.#asks = new Asks(placement, settings);
  }

  /** null: nothing that fits is free. */
  place(guest: WaitingGuest): Match | null {
    const ask = this.#asks.of(guest);
    if (ask.shape.devices > 1) return this.#matchGang(ask);
    if (ask.shape.sharePermille === 1000) return this.#matchWhole(ask);
    const { trustGroup } = guest.spec;
    return this.#fillShared(ask, trustGroup) ?? this.#openShared(ask, trustGroup);
  }

  #matchWhole(ask: Ask): Match | null {
    const found = this.#best(ask);
    if (found === null) return null;
    const { place, opportunity } = found;
    this.#placement.take(place, opportunity);
    return this.#matched(ask, opportunity.window, [this.#grant(ask, place, opportunity.lendableMib)], place);
  }

  #matchGang(ask: Ask): Match | null {
    this.#gangs ??= new Gangs(this.#placement);
    const members = this.#gangs.find(ask);
    const worst = members?.at(-1);
    if (members === null || worst === undefined) return null;
    for (const { place, opportunity } of members) this.#placement.take(place, opportunity);
    const grants = members.map(({ place, opportunity }) => this.#grant(ask, place, opportunity.lendableMib));
    return this.#matched(ask, worst.opportunity.window, grants, worst.place);
  }

  /** A device that is shared already comes first: another one opened is another owner who may meet a guest. */
  #fillShared(ask: Ask, trustGroup: string): Match | null {
    const list = this.#placement.shared.get(trustGroup);
    if (list === undefined) return null;
    let next = ask.nextShared.get(trustGroup) ?? 0;
    const canTake = (device: SharedDevice) => hasRoom(ask.shape, device) && ask.fits.fits(device.window);
    while (next < list.length && !canTake(list[next]!)) next++;
    ask.nextShared.set(trustGroup, next);
    const device = list[next];
    return device === undefined ? null : this.#share(ask, device, "fills_shared");
  }

  #openShared(ask: Ask, trustGroup: string): Match | null {
    const found = this.#best(ask);
    if (found === null) return null;
    const { place } = found;
    const { window, model, lendableMib } = found.opportunity;
    if (lendableMib === null) return null;
    this.#placement.take(place, found.opportunity);
    const device = { place, window, model, lendableMib, freePermille: 1000, freeMib: lendableMib };
    this.#placement.openShared(trustGroup, device);
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
    for (; ask.nextWindow < ranking.length; ask.nextWindow++, ask.nextOpportunity = 0) {
      const { opportunities, pool, free } = ranking[ask.nextWindow]!;
      if (free === 0 || pool.budget === 0) continue;
      for (; ask.nextOpportunity < opportunities.length; ask.nextOpportunity++) {
        const opportunity = opportunities[ask.nextOpportunity]!;
        if (opportunity.free > 0 && canHostWhole(ask.shape, opportunity))
          return { place: this.#placement.firstFree(opportunity), opportunity };
      }
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
      fit: ask.fits.fitOf(window),
      leastMs: ask.fits.need.leastMs,
      reasonCode: "fits",
    };
  }
}
