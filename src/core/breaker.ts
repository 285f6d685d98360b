import type { DeviceUuid } from "./device.ts";

export interface BreakerSettings {
  /** Each early return multiplies the required idle time by this, … */
  readonly breakerFactor: number;
  /** … up to this. */
  readonly breakerFactorMax: number;
  readonly breakerHalfLifeMs: number;
}

/** Who was met by an early return, and how many devices share the blame. */
export interface BreakerKeys {
  readonly device: DeviceUuid;
  readonly owner: string;
  readonly pool: string;
  readonly ownerDevices: number;
  readonly poolDevices: number;
}

interface Strikes {
  count: number;
  atMs: number;
}

/** An owner or a pool counts as struck once when this part of its devices was: returns come in bursts. */
const groupShare = 1 / 4;
const strikesKeptMax = 262_144;
/** Less than this many strikes is as good as none. */
const strikesMin = 0.01;

/**
 * Lengthens the idle time that must pass before a device is lent after the forecast was wrong there: strikes are counted
 * for the device, its owner and its pool, and halve in each half-life. Holds at most 262,144 keys.
 */
export class Breaker {
  readonly #settings: BreakerSettings;
  readonly #countMax: number;
  /** In order of the first strike. */
  readonly #strikes = new Map<string, Strikes>();

  constructor(settings: BreakerSettings) {
    this.#settings = settings;
    const { breakerFactor, breakerFactorMax } = settings;
    this.#countMax = breakerFactor > 1 ? Math.log(breakerFactorMax) / Math.log(breakerFactor) : 0;
  }

  /** An owner came back soon after lending. */
  earlyReturn({ device, owner, pool, ownerDevices, poolDevices }: BreakerKeys, atMs: number): void {
    this.#strike(`device ${device}`, 1, atMs);
    this.#strike(`owner ${owner}`, groupWeight(ownerDevices), atMs);
    this.#strike(`pool ${pool}`, groupWeight(poolDevices), atMs);
  }

  /** By how much to multiply the policy's `idleMsMin`: 1 – `breakerFactorMax`. */
  requiredIdleFactor(device: DeviceUuid, owner: string, pool: string, nowMs: number): number {
    if (this.#strikes.size === 0) return 1;
    const count = Math.max(
      this.#count(`device ${device}`, nowMs),
      this.#count(`owner ${owner}`, nowMs),
      this.#count(`pool ${pool}`, nowMs),
    );
    return count < strikesMin ? 1 : this.#settings.breakerFactor ** count;
  }

  #count(key: string, nowMs: number): number {
    const strikes = this.#strikes.get(key);
    if (strikes === undefined) return 0;
    return strikes.count * 2 ** (-Math.max(0, nowMs - strikes.atMs) / this.#settings.breakerHalfLifeMs);
  }

  #strike(key: string, weight: number, atMs: number): void {
    const count = Math.min(this.#countMax, this.#count(key, atMs) + weight);
    const strikes = this.#strikes.get(key);
    if (strikes !== undefined) {
      strikes.count = count;
      strikes.atMs = Math.max(strikes.atMs, atMs);
      return;
    }
    if (this.#strikes.size >= strikesKeptMax) this.#makeRoom(atMs);
    this.#strikes.set(key, { count, atMs });
  }

  /** Drops what has decayed to nothing; where that is less than a quarter, the keys that were struck first go too. */
  #makeRoom(nowMs: number): void {
    for (const key of this.#strikes.keys())
      if (this.#count(key, nowMs) < strikesMin) this.#strikes.delete(key);
    const surplus = this.#strikes.size - (strikesKeptMax * 3) / 4;
    if (surplus > 0) for (const key of this.#strikes.keys().take(surplus)) this.#strikes.delete(key);
  }
}

function groupWeight(devices: number): number {
  return 1 / Math.max(1, devices * groupShare);
}
