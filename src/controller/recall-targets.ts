import type { RecallOrder } from "../api/ports.ts";
import type { Settings } from "../config/settings.ts";
import type { VictimLease } from "../core/eviction-cost.ts";
import { noticeLeftMs } from "../core/recall-notice.ts";
import { targetCovers, type Target } from "../core/target.ts";
import type { VictimDevice } from "../core/victim-device.ts";
import { chooseVictims } from "../core/victims.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Device, Fleet, LiveLease } from "./fleet.ts";
import type { LiveGuests } from "./live-guests.ts";
import type { OwnerSignals } from "./owner-signals.ts";

type Wish = Pick<RecallOrder, "target" | "deadlineMs" | "firstRung">;

/** Which devices an owner's call speaks of; of a part of a pool, those that lose least. */
export class RecallTargets {
  readonly #fleet: Fleet;
  readonly #guests: Pick<LiveGuests, "specOf" | "recordOf">;
  readonly #signals: Pick<OwnerSignals, "policyOf">;
  readonly #clock: Clock;
  readonly #settings: Pick<Settings["recall"], "killMarginMs">;

  constructor(parts: {
    fleet: Fleet;
    guests: Pick<LiveGuests, "specOf" | "recordOf">;
    signals: Pick<OwnerSignals, "policyOf">;
    clock: Clock;
    settings: Pick<Settings["recall"], "killMarginMs">;
  }) {
    this.#fleet = parts.fleet;
    this.#guests = parts.guests;
    this.#signals = parts.signals;
    this.#clock = parts.clock;
    this.#settings = parts.settings;
  }

  /** Those that agents have told of yet; of a whole target, which may name a pool before its agents are up. */
  present(target: Target): Device[] {
    return [...this.#fleet.devices.values()].filter(({ info }) => targetCovers(target, info));
  }

  /** Throws DEVICE_NOT_FOUND, POOL_NOT_FOUND. */
  devicesOf(wish: Wish): Device[] {
    const { target } = wish;
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
        if (this.#fleet.devicesIn(target.pool) === 0)
          throw new GleanerError("POOL_NOT_FOUND", { pool: target.pool });
        return target.devices === 0 ? this.present(target) : this.#victims(target, wish);
      }
    }
  }

  /** Devices that the owner does not work on already: free ones first, then those whose guests lose least. */
  #victims({ pool, devices: count }: { pool: string; devices: number }, wish: Wish): Device[] {
    const nowMs = this.#clock.monotonicMs();
    const noticeOf = this.#noticeOf(pool, wish);
    // A gang's lease is one object on all of its devices; most devices have but one, and share its array.
    const seen = new Map<LiveLease, readonly [VictimLease]>();
    const victimOf = (live: LiveLease) => {
      const known = seen.get(live);
      if (known !== undefined) return known;
      const victim = [this.#victim(live, noticeOf(live))] as const;
      seen.set(live, victim);
      return victim;
    };
    const prompt: VictimDevice[] = [];
    // Nobody can tell by when these are back.
    const uncertain: VictimDevice[] = [];
    for (const device of this.#fleet.devices.values()) {
      const { info, leases, recalls, tracker, quarantine } = device;
      if (info.pool !== pool || recalls.size > 0) continue;
      if (leases.size === 0 && tracker.at(nowMs).state === "busy") continue;
      const isPrompt = quarantine === null && this.#fleet.agentOf(device) !== undefined;
      const [only] = leases.values();
      const victims = leases.size === 1 ? victimOf(only!) : [...leases.values()].flatMap(victimOf);
      (isPrompt ? prompt : uncertain).push({ uuid: info.uuid, host: info.host, leases: victims });
    }
    const candidates = prompt.length >= count ? prompt : [...prompt, ...uncertain];
    return chooseVictims(candidates, count).devices.map((uuid) => this.#fleet.devices.get(uuid)!);
  }

  #noticeOf(pool: string, wish: Wish): (live: LiveLease) => number {
    const policy = this.#signals.policyOf(pool);
    const recall = {
      firstRung: wish.firstRung ?? policy.firstRung,
      deadlineMs: wish.deadlineMs ?? policy.recallDeadlineMs,
    };
    const { killMarginMs } = this.#settings;
    const [running, paused] = [false, true].map((isPaused) =>
      noticeLeftMs(recall, policy.vacateFromPause, isPaused, killMarginMs),
    );
    return ({ lease }) => (lease.state === "paused" ? paused! : running!);
  }

  #victim(live: LiveLease, noticeMs: number): VictimLease {
    const { id, guestId, grants, state } = live.lease;
    const spec = this.#guests.specOf(guestId);
    const record = this.#guests.recordOf(guestId);
    const evictions = record?.evictions ?? 0;
    const hintMs = spec?.durationHintMs ?? null;
    const isRecalled = live.demands.size > (live.demands.has("") ? 1 : 0);
    return {
      id,
      permille: grants.reduce((sum, { sharePermille }) => sum + sharePermille, 0),
      checkpointAgeMs: live.checkpointAgeMs,
      workedMs: live.workedMs,
      startMs: spec?.startMs ?? 0,
      remainingMs: hintMs === null ? null : hintMs - (record?.usefulMs ?? 0) - live.workedMs,
      hasNotice: noticeMs > 0 && noticeMs >= (spec?.noticeMs ?? Infinity),
      isLeaving: isRecalled || live.cancel !== null || state === "vacating" || state === "killing",
      evictions,
      evictionsLeft: (spec?.evictionsMax ?? Infinity) - evictions,
    };
  }
}
