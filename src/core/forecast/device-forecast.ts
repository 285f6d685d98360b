import type { DeviceUuid } from "../device.ts";
import { AlikeCurves } from "./alike.ts";
import { columnCount, fillRow } from "./columns.ts";
import { DeviceHistories, F } from "./device-history.ts";
import { HazardChain } from "./hazard-chain.ts";
import { defaultHazardSettings, HazardModel, type HazardSettings } from "./hazard-model.ts";
import { Horizons } from "./horizons.ts";
import { probability } from "./logistic.ts";
import { PoolHistory } from "./pool-history.ts";
import { horizonsMs } from "./questions.ts";
import type { Reading } from "./reading.ts";
import { ReturnSurprise } from "./return-surprise.ts";
import { Slots } from "./slots.ts";
import { WindowCurve } from "./window-curve.ts";
import { WindowTable } from "./window-table.ts";

const minuteMs = 60_000;

export interface DeviceForecastSettings extends HazardSettings {
  /** The weight of what was seen of how hazards move halves in this time. */
  readonly chainHalfLifeMs: number;
  /** Readings of a device that lie further apart have a gap between them. */
  readonly gapMs: number;
}

export const defaultDeviceForecastSettings: Omit<DeviceForecastSettings, "gapMs"> = {
  ...defaultHazardSettings,
  chainHalfLifeMs: 2 * 3_600_000,
};

/** What is believed of a device that was idle at its last reading. */
export interface Outlook {
  readonly pool: string;
  /** When that reading was. */
  readonly atMs: number;
  /** Of the owner's return within a minute. */
  readonly logOdds: number;
  /** P(the owner is back by the next reading), if that comes. */
  readonly hazard: number;
  /** P(it does not come, or does not tell). */
  readonly lostChance: number;
}

interface Pool {
  readonly history: PoolHistory;
  readonly chain: HazardChain;
  readonly surprise: ReturnSurprise;
  /** Made anew once in an interval. */
  table: WindowTable | null;
  readonly alike: AlikeCurves;
  renewedMs: number;
  devices: number;
}

interface Device {
  readonly uuid: DeviceUuid;
  readonly slot: number;
  readonly pool: string;
}

/** Devices rated in one part of a settling: some 100 µs. */
const ratedPerPart = 128;
/** What is learned is worked in at most so often, and how hazards move: telemetry that comes faster costs no more. */
const refitMsMin = 5_000;
const renewMsMin = 25_000;

/** Of a rating: when the reading was that row and log-odds are of (−∞: none), and the log-odds of a return in a minute. */
const ratedAtMs = 0;
const logOdds = 1;

/**
 * Learns from readings how soon the owner of an idle device comes back. First all readings of a moment, then `settle`,
 * then questions: so every device is rated in the light of the others, and nothing that is said depends on a later
 * reading.
 *
 * Bounded: 420 bytes a device beside its name, some 20 KB a pool; `observe` is O(1), `settle` O(readings since the last
 * one, and pools).
 */
export class DeviceForecast {
  readonly #settings: DeviceForecastSettings;
  readonly #histories: DeviceHistories;
  readonly #rows = new Slots(Float32Array, columnCount);
  readonly #ratings = new Slots(Float64Array, 2);
  readonly #model: HazardModel;
  readonly #horizons: Horizons;
  readonly #pools = new Map<string, Pool>();
  readonly #devices = new Map<DeviceUuid, Device>();
  readonly #unrated = new Set<Device>();
  readonly #freeSlots: number[] = [];
  #refitMs = NaN;

  constructor(settings: DeviceForecastSettings) {
    this.#settings = settings;
    this.#histories = new DeviceHistories(settings.gapMs);
    this.#model = new HazardModel(settings);
    this.#horizons = new Horizons(settings.gapMs);
  }

  /** Times of one device that do not rise are ignored. */
  observe(reading: Reading): void {
    const { atMs, owner } = reading;
    const device = this.#deviceOf(reading);
    const { history, chain, surprise } = this.#pools.get(device.pool)!;
    if (!(atMs > this.#histories.of(device.slot)[F.lastAtMs]!)) return;
    const seen = this.#histories.observe(device.slot, atMs, owner, reading.utilPct, reading.memoryUsedMib);
    const [ratedMs, perMinute] = this.#ratings.of(device.slot) as unknown as [number, number];
    if (seen.returned !== null && ratedMs === atMs - seen.elapsedMs) {
      const offset = Math.log(seen.elapsedMs / minuteMs);
      surprise.took(seen.returned, probability(perMinute + offset), atMs);
      this.#model.add(device.pool, this.#rows.of(device.slot), seen.returned, offset, atMs);
    }
    if (seen.lost) chain.lost();
    else if (seen.returned === true) chain.returned();
    this.#horizons.observe(device.slot, atMs, owner);
    history.observe(atMs, owner, seen);
    if (owner === "idle") this.#unrated.add(device);
    else this.#unrated.delete(device);
  }

  /** Learns from what was observed, and rates the devices that are idle in its light. */
  settle(nowMs: number): void {
    for (const _ of this.settling(nowMs, () => {}));
  }

  /** The same in parts; `rated` is told of each device and its pool. */
  *settling(nowMs: number, rated: (device: DeviceUuid, pool: string) => void): Generator<void> {
    if (!(nowMs - this.#refitMs < refitMsMin)) {
      this.#refitMs = nowMs;
      yield* this.#model.refitting(nowMs);
      this.#horizons.refit(nowMs);
    }
    for (const pool of this.#pools.values()) {
      if (nowMs - pool.renewedMs < Math.max(renewMsMin, pool.history.intervalMs / 2)) continue;
      pool.renewedMs = nowMs;
      pool.chain.forget(nowMs);
      pool.table = null;
      pool.alike.clear();
    }
    // Those that are observed meanwhile are for the next time.
    let left = this.#unrated.size;
    for (const device of this.#unrated) {
      this.#unrated.delete(device);
      this.#rate(device);
      rated(device.uuid, device.pool);
      left -= 1;
      if (left <= 0) return;
      if (left % ratedPerPart === 0) yield;
    }
  }

  /** null: not idle at its last reading, or not settled since. */
  outlook(uuid: DeviceUuid): Outlook | null {
    const device = this.#rated(uuid);
    if (device === null) return null;
    const [atMs, perMinute] = this.#ratings.of(device.slot) as unknown as [number, number];
    const hazard = probability(perMinute + Math.log(this.intervalMs(device.pool) / minuteMs));
    const { lostShare } = this.#pools.get(device.pool)!.chain;
    const lostChance = this.#histories.lostChance(device.slot, lostShare);
    return { pool: device.pool, atMs, logOdds: perMinute, hazard, lostChance };
  }

  /** How long the device stays idle from now on; null where `outlook` is. */
  curve(uuid: DeviceUuid, nowMs: number): WindowCurve | null {
    const device = this.#rated(uuid);
    if (device === null) return null;
    const [atMs, perMinute] = this.#ratings.of(device.slot) as unknown as [number, number];
    return this.#curveOf(device.pool, perMinute, this.#lnAge(device), nowMs - atMs);
  }

  /** The curve that devices share which are much alike, as of their last readings; null where `outlook` is. */
  alikeCurve(uuid: DeviceUuid): WindowCurve | null {
    const device = this.#rated(uuid);
    if (device === null) return null;
    const perMinute = this.#ratings.of(device.slot)[logOdds]!;
    return this.#pools
      .get(device.pool)!
      .alike.of(perMinute, this.#lnAge(device), (odds, lnAge) => this.#curveOf(device.pool, odds, lnAge, 0));
  }

  /** Mean interval between the readings of a device of the pool, ms. */
  intervalMs(pool: string): number {
    return this.#pools.get(pool)?.history.intervalMs ?? minuteMs;
  }

  devicesIn(pool: string): number {
    return this.#pools.get(pool)?.devices ?? 0;
  }

  /** Far more of the pool's owners come back these minutes than was expected. */
  isRush(pool: string, nowMs: number): boolean {
    return this.#pools.get(pool)?.surprise.isRush(nowMs) ?? false;
  }

  /** null: no device of such a pool. */
  chain(pool: string): HazardChain | null {
    return this.#pools.get(pool)?.chain ?? null;
  }

  /** The device is gone; with the last of a pool goes what was learned of it. */
  forget(uuid: DeviceUuid): void {
    const device = this.#devices.get(uuid);
    if (device === undefined) return;
    this.#devices.delete(uuid);
    this.#unrated.delete(device);
    this.#freeSlots.push(device.slot);
    const pool = this.#pools.get(device.pool)!;
    pool.devices -= 1;
    if (pool.devices > 0) return;
    this.#pools.delete(device.pool);
    this.#model.forget(device.pool);
  }

  #rated(uuid: DeviceUuid): Device | null {
    const device = this.#devices.get(uuid);
    if (device === undefined || this.#histories.owner(device.slot) !== "idle") return null;
    // What was said at an earlier reading of this idle run stands until the next settling.
    const rated = this.#ratings.of(device.slot)[ratedAtMs]!;
    return rated >= this.#histories.of(device.slot)[F.sinceMs]! ? device : null;
  }

  #rate(device: Device): void {
    const { slot } = device;
    const pool = this.#pools.get(device.pool)!;
    const h = this.#histories.of(slot);
    const row = this.#rows.of(slot);
    const rating = this.#ratings.of(slot);
    const [beforeMs, before] = rating as unknown as [number, number];
    const atMs = h[F.lastAtMs]!;
    fillRow(row, h, pool.history, atMs);
    rating[ratedAtMs] = atMs;
    rating[logOdds] = this.#model.logOdds(device.pool, row);
    if (beforeMs >= h[F.sinceMs]! && atMs - beforeMs <= this.#settings.gapMs)
      pool.chain.stayed(before, rating[logOdds]);
    this.#horizons.ask(slot, atMs, this.#lnAge(device), this.#said(device.pool, rating[logOdds]));
  }

  #curveOf(pool: string, perMinute: number, lnAge: number, sinceMs: number): WindowCurve {
    return new WindowCurve(horizonsMs, this.#horizons.survival(lnAge, this.#said(pool, perMinute)), sinceMs);
  }

  /** What the chain says of staying idle for a horizon. */
  #said(name: string, perMinute: number): (horizonMs: number) => number {
    const pool = this.#pools.get(name)!;
    pool.table ??= new WindowTable(pool.chain, pool.history.intervalMs);
    const { table } = pool;
    return (horizonMs) => Math.exp(-table.cumulative(perMinute, horizonMs));
  }

  #lnAge({ slot, pool }: Device): number {
    const h = this.#histories.of(slot);
    return Math.log((h[F.lastAtMs]! - h[F.sinceMs]! + this.intervalMs(pool) / 2) / minuteMs);
  }

  #deviceOf({ device: uuid, pool: name, atMs }: Reading): Device {
    const known = this.#devices.get(uuid);
    if (known?.pool === name) return known;
    if (known !== undefined) this.forget(uuid);
    const slot = this.#freeSlots.pop() ?? this.#devices.size;
    const device: Device = { uuid, slot, pool: name };
    this.#histories.open(slot);
    this.#rows.clear(slot);
    this.#horizons.open(slot);
    this.#ratings.clear(slot);
    this.#ratings.of(slot)[ratedAtMs] = -Infinity;
    this.#devices.set(uuid, device);
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      const chain = new HazardChain(this.#settings.chainHalfLifeMs, atMs);
      const alike = new AlikeCurves();
      const surprise = new ReturnSurprise();
      const history = new PoolHistory();
      pool = { history, chain, surprise, table: null, alike, renewedMs: atMs, devices: 0 };
      this.#pools.set(name, pool);
    }
    pool.devices += 1;
    return device;
  }
}
