import type { LeaseStep } from "../api/convert/lease.ts";
import type { Settings } from "../config/settings.ts";
import type { Lease } from "../core/lease.ts";
import type { PoolPolicy } from "../core/policy.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { Device, Fleet } from "./fleet.ts";
import type { GuestMoves } from "./guest-moves.ts";
import { ownerOf } from "./lending-terms.ts";
import { isMeeting } from "./meeting.ts";
import { OwnerReserve } from "./owner-reserve.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import { OwnerStays } from "./owner-stays.ts";
import { pastTicks } from "./past-ticks.ts";
import { newPoolCount, type PoolCount } from "../core/reserve/pool-count.ts";
import { Slices } from "./slices.ts";
import type { Books } from "./surroundings.ts";

/** So much of the past is learned from the books at the start, as long as they keep to the ms. */
const pastMs = 48 * 3_600_000;
/** Books that cannot be read now may be in a moment; a pool waits for them no longer than for so many tries. */
const readsMax = 30;

interface PoolReservesParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly moves: GuestMoves;
  readonly books: Pick<Books, "demand">;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Pools of one owner that do the same to guests, under the strictest of their numbers. */
interface Limited {
  /** Of one of them. */
  readonly policy: PoolPolicy;
  max: number;
  readonly pools: string[];
}

/**
 * How many devices of a pool may be lent at once, so that owners who take some hardly ever meet a guest: their policies'
 * `waitedShareMax`, held by one reserve for all pools of an owner. Asked once in a sampling interval; what is lent
 * beyond the answer leaves. A reserve begins with what the books tell of the last days; until it has learned that, nothing
 * new is lent.
 */
export class PoolReserves {
  readonly #parts: PoolReservesParts;
  readonly #owners = new Map<string, OwnerReserve>();
  /** Those that have not learned of the past yet, and tries to read it that are left. */
  readonly #beginners = new Map<OwnerReserve, number>();
  #levels: ReadonlyMap<string, number> = new Map();
  readonly #stays = new OwnerStays();

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
    if (!isMeeting(before, mover)) return;
    const { devices } = this.#parts.fleet;
    this.#stays.tell(before.grants.map(({ device }) => device).filter((device) => devices.has(device)));
  }

  async tick(): Promise<void> {
    const { fleet, moves } = this.#parts;
    const owners = this.#limitsOf(fleet.pools().filter((pool) => fleet.devicesIn(pool) > 0));
    const counts = await this.#count([...owners.values()].flatMap(({ pools }) => pools));
    for (const [key, owner] of this.#owners) {
      if (owners.has(key)) continue;
      this.#owners.delete(key);
      this.#beginners.delete(owner);
    }
    const levels = new Map<string, number>();
    const surpluses = new Map<string, number>();
    for (const [key, limited] of owners) {
      const owner = this.#ownerOf(key, limited);
      owner.keepTo(limited.pools, limited.max);
      if (this.#beginners.has(owner)) continue;
      for (const pool of limited.pools) levels.set(pool, this.#levels.get(pool) ?? 0);
      for (const { pool, lent } of owner.decide(counts)) {
        levels.set(pool, lent);
        const surplus = counts.get(pool)!.lent - lent;
        if (surplus > 0 && owner.isWarm) surpluses.set(pool, surplus);
      }
    }
    this.#levels = levels;
    if (surpluses.size > 0) await moves.leave(surpluses);
  }

  /** Teaches reserves that begin what the books tell of their pools, in slices. */
  async learn(signal: AbortSignal): Promise<void> {
    const beginners = [...this.#beginners.keys()];
    if (beginners.length === 0) return;
    try {
      await this.#learnPast(beginners, signal);
      for (const owner of beginners) this.#beginners.delete(owner);
    } catch (thrown) {
      if (!signal.aborted) for (const owner of beginners) this.#readInVain(owner, thrown);
    }
  }

  #readInVain(owner: OwnerReserve, why: unknown): void {
    const readsLeft = (this.#beginners.get(owner) ?? 1) - 1;
    if (readsLeft > 0) {
      this.#beginners.set(owner, readsLeft);
      return;
    }
    this.#beginners.delete(owner);
    owner.endLearning();
    const pools = [...owner.pools];
    this.#parts.log.warn(
      { err: why, pools },
      "the books do not tell of the pools' last days: their reserve begins anew",
    );
  }

  async #learnPast(owners: readonly OwnerReserve[], signal: AbortSignal): Promise<void> {
    const { clock, settings, books, log } = this.#parts;
    const slices = new Slices(clock);
    const nowMs = () => owners[0]!.nowMs;
    const pools = owners.flatMap((owner) => [...owner.pools]);
    const query = { pools, fromMs: nowMs() - pastMs, stepMs: settings.telemetry.sampleIntervalMs };
    let ticks = 0;
    for await (const { atMs, counts } of pastTicks({ books, query, nowMs, signal })) {
      for (const owner of owners) {
        signal.throwIfAborted();
        owner.learn(atMs, counts);
        await slices.breathe();
      }
      ticks += 1;
    }
    for (const owner of owners) owner.endLearning();
    log.info({ pools: pools.length, ticks }, "pools' reserves have learned of the last days from the books");
  }

  /** By owner, and what their returns do to guests. */
  #limitsOf(pools: readonly string[]): Map<string, Limited> {
    const owners = new Map<string, Limited>();
    for (const pool of pools) {
      const policy = this.#parts.signals.policyOf(pool);
      const max = policy.waitedShareMax;
      if (max === null) continue;
      const key = `${ownerOf(policy)} ${policy.firstRung === "pause"}`;
      const known = owners.get(key);
      if (known === undefined) owners.set(key, { policy, max, pools: [pool] });
      else {
        known.max = Math.min(known.max, max);
        known.pools.push(pool);
      }
    }
    return owners;
  }

  async #count(pools: readonly string[]): Promise<Map<string, PoolCount>> {
    const { fleet, clock } = this.#parts;
    const slices = new Slices(clock);
    const nowMs = clock.monotonicMs();
    const counts = new Map(pools.map((pool) => [pool, newPoolCount()]));
    if (counts.size === 0) return counts;
    let looked = 0;
    for (const device of fleet.devices.values()) {
      if (++looked % 1_024 === 0) await slices.breathe();
      const count = counts.get(device.info.pool);
      if (count === undefined) this.#stays.forget(device.info.uuid);
      else this.#countIn(count, device, nowMs);
    }
    return counts;
  }

  /** An owner's recall, hold or hint is demand like work on a device; of what is lent that counts where the owner is away. */
  #countIn(count: PoolCount, device: Device, nowMs: number): void {
    const { info, tracker, recalls, leases, quarantine, restUntilMs } = device;
    const { state } = tracker.at(nowMs);
    const isKnown = state !== "unknown" && quarantine === null;
    const isUsed = state === "busy" || recalls.size > 0 || this.#parts.signals.standsAgainst(info) !== null;
    const begun = this.#stays.look(info.uuid, { isUsed, isKnown, isResting: nowMs < restUntilMs });
    if (begun.includes("returns")) count.taken += 1;
    if (begun.includes("met_returns")) count.evicted += 1;
    count.total += 1;
    if (!isKnown) return;
    count.known += 1;
    if (isUsed) count.busy += 1;
    else if (leases.size > 0) count.lent += 1;
  }

  #ownerOf(key: string, { policy, max }: Limited): OwnerReserve {
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const { settings, clock } = this.#parts;
    const owner = new OwnerReserve({ policy, waitedShareMax: max, settings, clock });
    this.#owners.set(key, owner);
    this.#beginners.set(owner, readsMax);
    return owner;
  }
}
