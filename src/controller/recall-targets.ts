import { targetCovers, type Target } from "../core/target.ts";
import { chooseVictims, type VictimLease } from "../core/victims.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Device, Fleet, LiveLease } from "./fleet.ts";
import type { LiveGuests } from "./live-guests.ts";

/** Which devices an owner's call speaks of; of a part of a pool, those that lose least. */
export class RecallTargets {
  readonly #fleet: Fleet;
  readonly #guests: LiveGuests;
  readonly #clock: Clock;

  constructor(fleet: Fleet, guests: LiveGuests, clock: Clock) {
    this.#fleet = fleet;
    this.#guests = guests;
    this.#clock = clock;
  }

  /** Those that agents have told of yet; of a whole target, which may name a pool before its agents are up. */
  present(target: Target): Device[] {
    return [...this.#fleet.devices.values()].filter(({ info }) => targetCovers(target, info));
  }

  /** Throws DEVICE_NOT_FOUND, POOL_NOT_FOUND. */
  devicesOf(target: Target): Device[] {
    switch (target.kind) {
      case "fleet":
        return [...this.#fleet.devices.values()];
      case "devices":
        return [...new Set(target.uuids)].map((uuid) => {
          const device = this.#fleet.devices.get(uuid);
          if (device === undefined) throw new GleanerError("DEVICE_NOT_FOUND", { uuid });
          return device;
        });
      case "pool": {
        const pool = [...this.#fleet.devices.values()].filter(({ info }) => info.pool === target.pool);
        if (pool.length === 0) throw new GleanerError("POOL_NOT_FOUND", { pool: target.pool });
        return target.devices === 0 ? pool : this.#victims(pool, target.devices);
      }
    }
  }

  /** Devices that the owner does not work on already: free ones first, then those whose guests lose least. */
  #victims(pool: readonly Device[], count: number): Device[] {
    const nowMs = this.#clock.monotonicMs();
    const seen = new Map<string, VictimLease>();
    const candidates = pool
      .filter((device) => device.recalls.size === 0)
      .filter((device) => device.leases.size > 0 || device.tracker.at(nowMs).state !== "busy")
      .map(({ info: { uuid, host }, leases }) => ({
        uuid,
        host,
        leases: [...leases.values()].map((live) => this.#victim(live, seen)),
      }));
    const chosen = new Set(chooseVictims(candidates, count).devices);
    return pool.filter(({ info }) => chosen.has(info.uuid));
  }

  /** The same object for every device of a gang. */
  #victim(live: LiveLease, seen: Map<string, VictimLease>): VictimLease {
    const { id, guestId, grants } = live.lease;
    const known = seen.get(id);
    if (known !== undefined) return known;
    const spec = this.#guests.specOf(guestId);
    const hintMs = spec?.durationHintMs ?? null;
    const victim: VictimLease = {
      id,
      permille: grants.reduce((sum, { sharePermille }) => sum + sharePermille, 0),
      checkpointAgeMs: live.checkpointAgeMs,
      workedMs: live.workedMs,
      startMs: spec?.startMs ?? 0,
      remainingMs: hintMs === null ? null : Math.max(0, hintMs - live.workedMs),
    };
    seen.set(id, victim);
    return victim;
  }
}
