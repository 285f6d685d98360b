import type { DeviceView, CycleSettings, Snapshot } from "./snapshot.ts";
import type { Grant } from "./guest.ts";
import { FairShare } from "./fair-share.ts";
import { Matcher, type Match } from "./matching.ts";
import { Placement } from "./placement.ts";
import { reasonCodes, reasonNumber, type ReasonCode } from "./reasons.ts";

/** One guest that gets devices. */
export interface Lend {
  readonly guestId: string;
  readonly host: string;
  readonly grants: readonly Grant[];
  readonly reasonCode: ReasonCode;
  /** A sentence for people. */
  readonly reason: string;
  readonly forecastHash: string;
  /** Work that is expected before the owner returns or the guest ends, on each device. */
  readonly expectedUsefulMs: number;
  /** That start, one checkpoint interval and notice fit before the owner's return. */
  readonly chanceFits: number;
}

/** What a cycle decided; plain data. */
export interface CycleDecisions {
  readonly lends: readonly Lend[];
  /** By place in the snapshot's guests: number of the reason in `reasonCodes`; 0 where the guest is lent devices. */
  readonly waits: Uint8Array<ArrayBuffer>;
  /**
   * By place in the snapshot's devices: why the device, or a part of it, is idle and not lent; 0 where the owner is not idle or
   * all of it is lent.
   */
  readonly unlent: Uint8Array<ArrayBuffer>;
}

/** Decides whom to lend what. The same snapshot gives the same decisions, whatever the order of its devices and guests. */
export function decideCycle(snapshot: Snapshot, settings: CycleSettings): CycleDecisions {
  const { guests, limits } = snapshot;
  const placement = new Placement(snapshot);
  const turns = new FairShare(guests, snapshot.tenants);
  const matcher = new Matcher(placement, settings);
  const lends: Lend[] = [];
  const waits = new Uint8Array(guests.length).fill(notTried);
  let isCutOff = false;

  while (!placement.isExhausted) {
    const place = turns.next();
    if (place === null) break;
    isCutOff = lends.length >= limits.lendsMax;
    if (isCutOff) break;
    const guest = guests[place]!;
    const match = matcher.place(guest);
    waits[place] = match === null ? noneFits : 0;
    if (match === null) continue;
    lends.push(lendOf(guest.id, match, placement.devices[match.place]!, snapshot.nowMs));
    const { devices, sharePermille } = guest.spec.shape;
    // What the loan is sure to take; what it takes beyond is in the tenant's use by the time it matters.
    turns.charge(((devices * sharePermille) / 1000) * match.leastMs);
  }

  if (!isCutOff)
    for (let place = 0; place < waits.length; place++) if (waits[place] === notTried) waits[place] = noneFits;
  placement.explainFree(isCutOff ? "lends_max" : lends.length === guests.length ? "no_guests" : "no_fit");
  return { lends, waits, unlent: placement.unlent };
}

const notTried = reasonNumber("lends_max");
const noneFits = reasonNumber("no_device_fits");

/** Why a device that is idle, or a part of it, is not lent; null where that is not so. */
export function unlentReason(decisions: CycleDecisions, place: number): ReasonCode | null {
  return reasonCodes[decisions.unlent[place] ?? 0] ?? null;
}

/** Why a guest waits, in a word; null: it is lent devices. `explain` says more. */
export function waitReason(decisions: CycleDecisions, place: number): ReasonCode | null {
  return reasonCodes[decisions.waits[place] ?? 0] ?? null;
}

function lendOf(guestId: string, match: Match, device: DeviceView, nowMs: number): Lend {
  const { fit, leastMs, reasonCode } = match;
  const idle = seconds(nowMs - device.ownerSinceMs);
  const sharing =
    reasonCode === "fills_shared" ? " The device is shared by guests of its trust group already." : "";
  return {
    guestId,
    host: device.info.host,
    grants: match.grants,
    reasonCode,
    reason:
      `Idle for ${idle}; start, checkpoint and notice (${seconds(leastMs)}) fit with chance ` +
      `${fit.chanceFits.toFixed(2)}; ${seconds(fit.usefulMs)} of work expected.${sharing}`,
    forecastHash: match.window.curve.hash,
    expectedUsefulMs: fit.usefulMs,
    chanceFits: fit.chanceFits,
  };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
