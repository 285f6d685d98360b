import type { Settings } from "../config/settings.ts";
import type { Lease } from "../core/lease.ts";
import type { LeaseStep } from "../api/convert/lease.ts";
import { Reserve, type PoolReading } from "../core/reserve/reserve.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Fleet } from "./fleet.ts";
import type { GuestMoves } from "./guest-moves.ts";
import { believedCosts, lendingTerms } from "./lending-terms.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import { Slices } from "./slices.ts";

interface PoolReservesParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly moves: GuestMoves;
  readonly settings: Settings;
  readonly clock: Clock;
}

interface Owner {
  readonly reserve: Reserve;
  /** Ticks in which none of its pools had a limit are not counted: then it is dropped. */
  isUsed: boolean;
}

interface Count {
  total: number;
  known: number;
  busy: number;
  lent: number;
}

/**
 * How many devices of a pool may be lent at once, so that owners who take some hardly ever meet a guest: their policies'
 * `waitedShareMax`, held by one reserve for all pools of an owner that say the same. Asked once in a sampling
 * interval; what is lent beyond the answer leaves.
 */
export class PoolReserves {
  readonly #parts: PoolReservesParts;
  readonly #owners = new Map<string, Owner>();
  readonly #levels = new Map<string, number>();
  /** Devices that owners took back from guests, since the last tick. */
  readonly #evicted = new Map<string, number>();
  /** Pools that the last tick left out, since too little was known of them. */
  readonly #lost = new Set<string>();

  constructor(parts: PoolReservesParts) {
    this.#parts = parts;
  }

  /** null: the owner sets no limit. Before the first tick nothing new is lent. */
  lentMaxOf(pool: string): number | null {
    if (this.#parts.signals.policyOf(pool).waitedShareMax === null) return null;
    return this.#levels.get(pool) ?? 0;
  }

  /** Called for every step. */
  stepped(before: Lease, { mover }: LeaseStep): void {
    const worked = before.state === "starting" || before.state === "running";
    if (!worked || (mover !== "activity" && mover !== "owner")) return;
    for (const { device } of before.grants) {
      const pool = this.#parts.fleet.devices.get(device)?.info.pool;
      if (pool !== undefined) this.#evicted.set(pool, (this.#evicted.get(pool) ?? 0) + 1);
    }
  }

  async tick(): Promise<void> {
    const { signals, settings, clock, moves } = this.#parts;
    const timeS = (clock.monotonicMs() * settings.forecast.speed) / 1_000;
    const counts = await this.#count();
    const evicted = new Map(this.#evicted);
    this.#evicted.clear();
    const readings = new Map<Owner, PoolReading[]>();
    for (const owner of this.#owners.values()) owner.isUsed = false;
    for (const [pool, { total, known, busy, lent }] of counts) {
      if (signals.policyOf(pool).waitedShareMax === null) continue;
      const owner = this.#ownerOf(pool);
      owner.isUsed = true;
      if (known * 2 < total) {
        this.#lost.add(pool);
        continue;
      }
      const reading = {
        pool,
        gpusTotal: known,
        gpusBusy: busy,
        gpusPending: 0,
        lent,
        evicted: evicted.get(pool) ?? 0,
        afterGap: this.#lost.delete(pool),
      };
      const list = readings.get(owner);
      if (list === undefined) readings.set(owner, [reading]);
      else list.push(reading);
    }
    for (const [key, { isUsed }] of this.#owners) if (!isUsed) this.#owners.delete(key);
    for (const pool of this.#levels.keys()) if (!counts.has(pool)) this.#levels.delete(pool);
    for (const [{ reserve }, list] of readings)
      for (const { pool, lent } of reserve.decide(timeS, list)) {
        this.#levels.set(pool, lent);
        const over = counts.get(pool)!.lent - lent;
        if (over > 0) moves.leave(pool, over);
      }
  }

  /** An owner's recall, hold or hint is demand like work on a device; of what is lent that counts where the owner is away. */
  async #count(): Promise<Map<string, Count>> {
    const { fleet, signals, clock } = this.#parts;
    const slices = new Slices(clock);
    const nowMs = clock.monotonicMs();
    const counts = new Map<string, Count>();
    let looked = 0;
    for (const { info, tracker, recalls, leases, quarantine } of fleet.devices.values()) {
      if (++looked % 1_024 === 0) await slices.breathe();
      let count = counts.get(info.pool);
      if (count === undefined) counts.set(info.pool, (count = { total: 0, known: 0, busy: 0, lent: 0 }));
      count.total += 1;
      const { state } = tracker.at(nowMs);
      if (state === "unknown" || quarantine !== null) continue;
      count.known += 1;
      const isTaken = state === "busy" || recalls.size > 0 || signals.standsAgainst(info) !== null;
      if (isTaken) count.busy += 1;
      else if (leases.size > 0) count.lent += 1;
    }
    return counts;
  }

  #ownerOf(pool: string): Owner {
    const { signals, settings } = this.#parts;
    const policy = signals.policyOf(pool);
    const max = policy.waitedShareMax!;
    const { met, evictedS, resumeS, endS } = lendingTerms(policy, believedCosts(settings), settings);
    const key = `${max} ${met} ${policy.owner}`;
    let owner = this.#owners.get(key);
    if (owner === undefined) {
      const { speed } = settings.forecast;
      const penaltyS = (met === "pause" ? resumeS : evictedS) * speed;
      const limit = { counts: "waited", max } as const;
      owner = { reserve: new Reserve({ penaltyS, vacateS: endS * speed, limit }), isUsed: true };
      this.#owners.set(key, owner);
    }
    return owner;
  }
}
