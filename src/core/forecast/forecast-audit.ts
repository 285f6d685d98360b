import type { DeviceUuid, OwnerState } from "../device.ts";
import type { SurvivalCurve } from "../survival-curve.ts";
import { Calibrations, type Calibration } from "./calibration.ts";
import { horizonsMs, Questions } from "./questions.ts";

/** A week: what was said longer ago says little of the forecast of now. */
const hoursMax = 7 * 24;

interface Pool {
  readonly calibrations: Calibrations;
  devices: number;
}

/**
 * Judges a forecast while it works: asks it of each idle device how likely its owner is back within each horizon, and counts what
 * came. Whoever forecasts is not told: it is judged by what it said when it said it.
 *
 * Bounded: about 140 bytes a device beside its name, at most 45 KB a pool; O(1) a reading.
 */
export class ForecastAudit {
  readonly #questions: Questions<Float64Array>;
  readonly #slots = new Map<DeviceUuid, number>();
  /** By slot. */
  readonly #poolOf: string[] = [];
  readonly #freeSlots: number[] = [];
  readonly #pools = new Map<string, Pool>();
  readonly #total = new Calibrations(hoursMax);

  /** Readings of a device that lie further apart have a gap between them. */
  constructor(gapMs: number) {
    this.#questions = new Questions(gapMs, 1, Float64Array, {
      answered: (slot, horizon, came, atMs) => {
        const said = this.#questions.known(slot, horizon, 0);
        this.#total.add(horizon, said, came, atMs);
        this.#pools.get(this.#poolOf[slot]!)!.calibrations.add(horizon, said, came, atMs);
      },
    });
  }

  /** A reading of the device. */
  observe(pool: string, device: DeviceUuid, owner: OwnerState, atMs: number): void {
    this.#questions.observe(this.#slotOf(pool, device), atMs, owner);
  }

  /** The device is idle at this reading, which was observed: `curve` is called where something is to be asked; null: nothing is said. */
  ask(device: DeviceUuid, atMs: number, curve: () => SurvivalCurve | null): void {
    const slot = this.#slots.get(device);
    if (slot === undefined || !this.#questions.areDue(slot)) return;
    const told = curve();
    if (told === null) return;
    this.#questions.ask(slot, atMs, (horizon, known, begin) => {
      known[begin] = 1 - told.survivalAt(horizonsMs[horizon]!);
    });
  }

  /** The device is gone; with the last of a pool goes what was counted of it alone. */
  forget(device: DeviceUuid): void {
    const slot = this.#slots.get(device);
    if (slot === undefined) return;
    this.#slots.delete(device);
    this.#freeSlots.push(slot);
    const name = this.#poolOf[slot]!;
    const pool = this.#pools.get(name)!;
    pool.devices -= 1;
    if (pool.devices === 0) this.#pools.delete(name);
  }

  /** By name. */
  pools(): string[] {
    return [...this.#pools.keys()].toSorted();
  }

  /** For each horizon, of the hours that reach into the range, a week at most. null: of all pools. */
  figures(pool: string | null, fromMs = -Infinity, toMs = Infinity): Calibration[] {
    return this.#of(pool).figures(fromMs, toMs);
  }

  /** Begin of the first of these hours; null: nothing was answered in them. */
  fromMs(pool: string | null, fromMs = -Infinity, toMs = Infinity): number | null {
    return this.#of(pool).fromMs(fromMs, toMs);
  }

  #of(pool: string | null): Calibrations {
    return pool === null ? this.#total : (this.#pools.get(pool)?.calibrations ?? nothing);
  }

  #slotOf(name: string, device: DeviceUuid): number {
    const known = this.#slots.get(device);
    if (known !== undefined && this.#poolOf[known] === name) return known;
    this.forget(device);
    const slot = this.#freeSlots.pop() ?? this.#slots.size;
    this.#questions.open(slot);
    this.#slots.set(device, slot);
    this.#poolOf[slot] = name;
    let pool = this.#pools.get(name);
    if (pool === undefined)
      this.#pools.set(name, (pool = { calibrations: new Calibrations(hoursMax), devices: 0 }));
    pool.devices += 1;
    return slot;
  }
}

const nothing = new Calibrations(0);
