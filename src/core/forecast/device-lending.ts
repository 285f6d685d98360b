import type { DeviceUuid } from "../device.ts";
import { decideKill, decidePause, type DeviceDecision, type HeldGuest } from "./device-decision.ts";
import { defaultDeviceForecastSettings, DeviceForecast, type Outlook } from "./device-forecast.ts";
import { LendOrWait, type LeaseCosts } from "./lend-or-wait.ts";
import { MeetingPrice } from "./meeting-price.ts";
import type { Reading } from "./reading.ts";
import type { WindowCurve } from "./window-curve.ts";

/** What lending in a pool costs, and what its owner allows. Seconds of one GPU. */
export interface LendingTerms {
  /** What an owner's return does to a guest. */
  readonly met: "kill" | "pause";
  readonly startS: number;
  /** Every end: the hand-back. */
  readonly endS: number;
  /** An end by the owner, beside `endS`. */
  readonly evictedS: number;
  readonly resumeS: number;
  /** An end by losing sight of the device, beside `endS`. */
  readonly lostS: number;
  /** That counts as a meeting: an owner who is not seen may be there. */
  readonly lostIsMet: boolean;
  readonly pauseBudgetS: number;
  /** What a meeting is to count instead of what it costs; null: what it costs. */
  readonly plannedMetS: number | null;
  /** null: the owner sets no limit. */
  readonly limit: MeetingsLimit | null;
  /** By the owner's calendar the devices are to be free within the time of a hand-back: nothing is lent, guests leave. */
  readonly keptFree: boolean;
}

/** An owner's pools share a price, so that meetings are spent where they earn most, under the strictest of their numbers. */
export interface MeetingsLimit {
  readonly owner: string;
  readonly perGpuDayMax: number;
}

/** What is believed of meetings that pause a guest before any was seen: so many, of which so many end it. */
const believedMeetings = 13;
const believedEvictions = 1;
/** What lending is worth is reckoned anew at most so often. */
const renewMsMin = 5_000;

interface Pool {
  readonly stop: LendOrWait;
  meetings: number;
  evictions: number;
  terms: LendingTerms;
  /** What a meeting costs without the price of the owner's number. */
  metS: number;
  costs: LeaseCosts;
  /** Devices of it were rated since the last renewal. */
  isDue: boolean;
  renewedMs: number;
}

interface Limited {
  readonly price: MeetingPrice;
  /** As it was reckoned last. */
  priceS: number;
  /** Since the last settling. */
  meetings: number;
  /** Devices watched at the last settling. */
  devices: number;
}

/**
 * Which idle devices to lend, and which guests to take away before the owner comes: the forecast, what it makes of it, and the
 * price by which an owner's number is held. Controllers, simulator and backtest run this one. First all readings of a
 * moment and what guests met, then `settle`, then questions.
 */
export class DeviceLending {
  readonly #forecast: DeviceForecast;
  readonly #termsOf: (pool: string) => LendingTerms;
  readonly #gapMs: number;
  readonly #pools = new Map<string, Pool>();
  readonly #limited = new Map<string, Limited>();
  #settledMs = NaN;

  /** `gapMs`: readings of a device that lie further apart have a gap between them, and what was said holds no longer. */
  constructor(gapMs: number, termsOf: (pool: string) => LendingTerms) {
    this.#forecast = new DeviceForecast({ ...defaultDeviceForecastSettings, gapMs });
    this.#gapMs = gapMs;
    this.#termsOf = termsOf;
  }

  observe(reading: Reading): void {
    this.#forecast.observe(reading);
  }

  /** An owner's return found a guest running. */
  met(name: string): void {
    const pool = this.#poolOf(name);
    pool.meetings += 1;
    const limited = this.#limitedOf(pool.terms);
    if (limited !== null) limited.meetings += 1;
  }

  /** A meeting ended the guest, at once or later. */
  evicted(pool: string): void {
    this.#poolOf(pool).evictions += 1;
  }

  settle(nowMs: number, mayLend: (device: DeviceUuid) => boolean): void {
    for (const _ of this.settling(nowMs, mayLend));
  }

  /**
   * The same in parts of less than a millisecond each; between them everything may be called but another settling. `onRated` is
   * told of each device of which something new can be said, and when its reading was.
   */
  *settling(
    nowMs: number,
    mayLend: (device: DeviceUuid) => boolean,
    onRated: (device: DeviceUuid, atMs: number) => void = () => {},
  ): Generator<void> {
    this.#count(nowMs);
    const rated = (uuid: DeviceUuid, name: string) => {
      const pool = this.#poolOf(name);
      pool.isDue = true;
      const outlook = this.#forecast.outlook(uuid)!;
      onRated(uuid, outlook.atMs);
      const price = this.#limitedOf(pool.terms)?.price;
      if (price === undefined || !mayLend(uuid)) return;
      const intervalS = this.#forecast.intervalMs(name) / 1_000;
      const chance = meetingChance(outlook, pool.terms);
      // What a meeting costs by itself keeps guests from the others, whatever the price.
      if (chance * pool.metS <= intervalS) price.saw(chance, intervalS);
    };
    yield* this.#forecast.settling(nowMs, rated);
    for (const [name, pool] of this.#pools) {
      pool.terms = this.#termsOf(name);
      yield;
    }
    this.#watch();
    for (const [name, pool] of this.#pools) {
      pool.metS = metSOf(pool);
      pool.costs = this.#costsOf(pool);
      const chain = this.#forecast.chain(name);
      if (chain === null) this.#pools.delete(name);
      else if (pool.isDue && !(nowMs - pool.renewedMs < renewMsMin)) {
        pool.stop.renew(chain, this.#forecast.intervalMs(name), pool.costs);
        pool.renewedMs = nowMs;
        pool.isDue = false;
      }
      yield;
    }
  }

  /** Terms are others from now on: what lending is worth is reckoned anew with the next settling. */
  renewTerms(): void {
    for (const pool of this.#pools.values()) {
      pool.isDue = true;
      pool.renewedMs = NaN;
    }
  }

  /** null where the device is not known to be idle since its last reading. */
  outlook(device: DeviceUuid, nowMs: number): Outlook | null {
    const outlook = this.#forecast.outlook(device);
    return outlook === null || nowMs - outlook.atMs > this.#gapMs ? null : outlook;
  }

  /** What to do with an idle device or the guest on it; null: nothing, also where nothing is known. */
  decide(device: DeviceUuid, guest: HeldGuest, nowMs: number): DeviceDecision | null {
    const outlook = this.outlook(device, nowMs);
    const pool = outlook === null ? undefined : this.#pools.get(outlook.pool);
    if (outlook === null || pool === undefined) return null;
    if (pool.terms.keptFree) return guest.state === "none" ? null : "vacate";
    // What brings the owners is not in the forecast; guests that run are left to the recall ladder.
    if (guest.state === "none" && this.#forecast.isRush(outlook.pool, nowMs)) return null;
    const worthS = pool.stop.worth(outlook.logOdds, outlook.lostChance);
    const { terms, costs } = pool;
    if (terms.met === "kill") return decideKill(worthS, guest, costs);
    const intervalS = this.#forecast.intervalMs(outlook.pool) / 1_000;
    const chance = meetingChance(outlook, terms);
    return decidePause(worthS, chance, intervalS, guest, costs, terms.pauseBudgetS);
  }

  /** How long the device stays idle from now on; null where `outlook` is. */
  curve(device: DeviceUuid, nowMs: number): WindowCurve | null {
    return this.outlook(device, nowMs) === null ? null : this.#forecast.curve(device, nowMs);
  }

  /** The curve that devices share which are much alike, as of their last readings; null where `outlook` is. */
  alikeCurve(device: DeviceUuid, nowMs: number): WindowCurve | null {
    return this.outlook(device, nowMs) === null ? null : this.#forecast.alikeCurve(device);
  }

  /** What owners met since the last settling, and the devices that they might have met guests on. */
  #count(nowMs: number): void {
    const elapsedMs = nowMs - this.#settledMs;
    this.#settledMs = nowMs;
    if (Number.isNaN(elapsedMs)) return;
    for (const limited of this.#limited.values()) {
      limited.price.took(limited.meetings, limited.devices, elapsedMs);
      limited.meetings = 0;
    }
  }

  /** What each owner allows from now on, for how many devices, and at what price; one without any is forgotten. */
  #watch(): void {
    const strictest = new Map<Limited, number>();
    for (const limited of this.#limited.values()) limited.devices = 0;
    for (const [name, { terms }] of this.#pools) {
      const limited = this.#limitedOf(terms);
      if (limited === null) continue;
      limited.devices += this.#forecast.devicesIn(name);
      strictest.set(limited, Math.min(strictest.get(limited) ?? Infinity, terms.limit!.perGpuDayMax));
    }
    for (const [owner, limited] of this.#limited)
      if (limited.devices === 0) this.#limited.delete(owner);
      else {
        limited.price.aimAt(strictest.get(limited)!);
        limited.priceS = limited.price.priceS;
      }
  }

  #costsOf({ terms, metS }: Pool): LeaseCosts {
    const { startS, endS, lostS } = terms;
    const priceS = this.#limitedOf(terms)?.priceS ?? 0;
    const met = Math.max(metS, priceS);
    return { start: startS, end: endS, met, lost: terms.lostIsMet ? Math.max(lostS, met) : lostS };
  }

  #poolOf(name: string): Pool {
    const known = this.#pools.get(name);
    if (known !== undefined) return known;
    const terms = this.#termsOf(name);
    const pool: Pool = {
      stop: new LendOrWait(),
      meetings: believedMeetings,
      evictions: believedEvictions,
      terms,
      metS: 0,
      costs: { start: 0, end: 0, met: 0, lost: 0 },
      isDue: false,
      renewedMs: NaN,
    };
    this.#pools.set(name, pool);
    return pool;
  }

  #limitedOf({ limit }: LendingTerms): Limited | null {
    if (limit === null) return null;
    let limited = this.#limited.get(limit.owner);
    if (limited === undefined) {
      limited = { price: new MeetingPrice(limit.perGpuDayMax), priceS: 0, meetings: 0, devices: 0 };
      this.#limited.set(limit.owner, limited);
    }
    return limited;
  }
}

/** P(a guest is met by the device's next reading). */
function meetingChance({ hazard, lostChance }: Outlook, { lostIsMet }: LendingTerms): number {
  return lostIsMet ? lostChance + (1 - lostChance) * hazard : hazard;
}

function metSOf({ terms, meetings, evictions }: Pool): number {
  const { met, startS, endS, evictedS, resumeS, plannedMetS } = terms;
  if (plannedMetS !== null) return plannedMetS;
  return met === "kill" ? evictedS : resumeS + (evictions / meetings) * (evictedS + endS + startS);
}
