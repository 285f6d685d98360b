import type { DeviceInfo, DeviceUuid, OwnerState, Sample } from "../core/device.ts";
import type { DeviceDecision, HeldGuest } from "../core/forecast/device-decision.ts";
import { DeviceLending, type LendingTerms } from "../core/forecast/device-lending.ts";
import { ForecastAudit } from "../core/forecast/forecast-audit.ts";
import { WindowCurve } from "../core/forecast/window-curve.ts";
import type { SurvivalCurve } from "../core/survival-curve.ts";
import type { Settings } from "../config/settings.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import { ForecastRecord } from "./forecast-record.ts";
import { Slices } from "./slices.ts";

/** What only the leader knows: by which terms pools lend, and which devices may be lent. */
export interface LendingRules {
  termsOf(pool: string): LendingTerms;
  mayLend(device: DeviceUuid): boolean;
}

/** What a sample says of the owner's doings; null: missing, or not the owner's alone. */
export interface OwnerReading {
  readonly utilPct: number | null;
  readonly memoryUsedMib: number | null;
}

const nothingRead: OwnerReading = { utilPct: null, memoryUsedMib: null };

/** `reason`: of what the sample was taken for. With a guest on the device, it may be the guest's. */
export function readingOf(reason: string, { utilPct, memoryUsedMib }: Sample): OwnerReading {
  return reason === "guest_on_device" ? nothingRead : { utilPct, memoryUsedMib };
}

/**
 * The forecast as a controller runs it, whether it leads or stands by: fed with each sample as it comes, and settled in
 * slices every `cycle.intervalMs`, so that no recall waits for it.
 *
 * The core is told owners' time, which runs `forecast.speed` times as fast as the clock where a trace is replayed so.
 */
export class OwnerForecast {
  /** What it said, held against what came. */
  readonly record: ForecastRecord;
  readonly #audit: ForecastAudit;
  readonly #lending: DeviceLending;
  readonly #settings: Pick<Settings, "forecast" | "cycle">;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #speed: number;
  readonly #onClock = new WeakMap<WindowCurve, WindowCurve>();
  #rules: LendingRules;
  #settlings = 0;
  #settling: Promise<void> | null = null;

  constructor(parts: { settings: Settings; standby: LendingRules; clock: Clock; log: Logger }) {
    const { settings, standby, clock, log } = parts;
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#speed = settings.forecast.speed;
    this.#rules = standby;
    const gapMs = settings.telemetry.staleMs * this.#speed;
    this.#lending = new DeviceLending(gapMs, (pool) => this.#inOwnersTime(this.#rules.termsOf(pool)));
    this.#audit = new ForecastAudit(gapMs);
    this.record = new ForecastRecord(this.#audit, clock, this.#speed);
  }

  /** From now on this controller leads: when it resolves, all is weighed by these rules. */
  async follow(rules: LendingRules): Promise<void> {
    this.#rules = rules;
    this.#lending.renewTerms();
    // One that is under way had others.
    await this.settle();
    await this.settle();
  }

  observe(
    { uuid, pool }: Pick<DeviceInfo, "uuid" | "pool">,
    owner: OwnerState,
    atMs: number,
    reading: OwnerReading = nothingRead,
  ): void {
    this.#lending.observe({ device: uuid, pool, owner, atMs: atMs * this.#speed, ...reading });
    this.#audit.observe(pool, uuid, owner, atMs * this.#speed);
  }

  /** An owner's return found a guest running there. */
  met(pool: string): void {
    this.#lending.met(pool);
  }

  /** A meeting ended the guest, at once or later. */
  evicted(pool: string): void {
    this.#lending.evicted(pool);
  }

  /** Settles until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(this.#settings.cycle.intervalMs, signal);
      if (signal.aborted) return;
      try {
        await this.settle();
      } catch (thrown) {
        this.#log.error({ err: thrown }, "the forecast could not be settled: what it said last grows old");
      }
    }
  }

  /** One at a time: who comes while one is under way waits for it. */
  settle(): Promise<void> {
    return (this.#settling ??= this.#settle().finally(() => {
      this.#settling = null;
      // Also where it failed: what was said before is to be looked at again, and is old by and by.
      this.#settlings += 1;
    }));
  }

  async #settle(): Promise<void> {
    const slices = new Slices(this.#clock);
    const settling = this.#lending.settling(
      this.#nowMs,
      (device) => this.#rules.mayLend(device),
      (device, atMs) => this.#audit.ask(device, atMs, () => this.#lending.curve(device, atMs)),
    );
    for (const _ of settling) await slices.breathe();
  }

  /** As long as it is the same, so is everything that is said of a device without a new reading. */
  get settlings(): number {
    return this.#settlings;
  }

  /** What to do with an idle device or the guest on it; null: nothing, also where nothing is known. */
  decide(device: DeviceUuid, guest: HeldGuest): DeviceDecision | null {
    const held = guest.state === "paused" ? { ...guest, forS: guest.forS * this.#speed } : guest;
    return this.#lending.decide(device, held, this.#nowMs);
  }

  /** Whether the device is known to be idle, and what becomes of it was weighed. */
  knows(device: DeviceUuid): boolean {
    return this.#lending.outlook(device, this.#nowMs) !== null;
  }

  /** How long the device stays idle from now on; null where it is not known to be idle. */
  curve(device: DeviceUuid): SurvivalCurve | null {
    return this.#onTheClock(this.#lending.curve(device, this.#nowMs));
  }

  /** The one that devices share which are much alike: the same object until more is known. */
  alikeCurve(device: DeviceUuid): SurvivalCurve | null {
    return this.#onTheClock(this.#lending.alikeCurve(device, this.#nowMs));
  }

  get #nowMs(): number {
    return this.#clock.monotonicMs() * this.#speed;
  }

  #onTheClock(curve: WindowCurve | null): WindowCurve | null {
    if (curve === null || this.#speed === 1) return curve;
    let known = this.#onClock.get(curve);
    if (known === undefined) {
      const { horizonsMs, survival, sinceMs } = curve.plain;
      const shorter = horizonsMs.map((horizonMs) => horizonMs / this.#speed);
      this.#onClock.set(curve, (known = new WindowCurve(shorter, survival, sinceMs / this.#speed)));
    }
    return known;
  }

  #inOwnersTime(terms: LendingTerms): LendingTerms {
    if (this.#speed === 1) return terms;
    const { startS, endS, evictedS, resumeS, lostS, pauseBudgetS, limit } = terms;
    return {
      ...terms,
      startS: startS * this.#speed,
      endS: endS * this.#speed,
      evictedS: evictedS * this.#speed,
      resumeS: resumeS * this.#speed,
      lostS: lostS * this.#speed,
      pauseBudgetS: pauseBudgetS * this.#speed,
      limit: limit && { ...limit, perGpuDayMax: limit.perGpuDayMax / this.#speed },
    };
  }
}
