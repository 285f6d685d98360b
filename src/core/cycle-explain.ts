import type { CycleDecisions } from "./cycle.ts";
import type { DeviceUuid } from "./device.ts";
import { fitWindow, timeNeed, type Fit, type TimeNeed } from "./fit.ts";
import type { Grant, WaitingGuest } from "./guest.ts";
import { isOfKind } from "./matching-shape.ts";
import { gate, heldOf, lendableMib, lentMax, memoryWanted } from "./placement-gate.ts";
import { reasonCodes, reasonNumber, reasons, type ReasonCode } from "./reasons.ts";
import type { CycleSettings, DeviceView, PoolView, Snapshot } from "./snapshot.ts";
import type { SurvivalCurve } from "./survival-curve.ts";

/** Why a guest waits. */
export interface WaitExplanation {
  /** The obstacle that is nearest to a loan, or the one rule that is in the way of them all. */
  readonly reasonCode: ReasonCode;
  readonly reason: string;
  /** How many devices fall out for each reason, most frequent first. */
  readonly obstacles: readonly Obstacle[];
}

export interface Obstacle {
  readonly reasonCode: ReasonCode;
  readonly reason: string;
  readonly devices: number;
}

/** The nearer to a loan, the later. */
const nearness: readonly ReasonCode[] = [
  "other_pool",
  "other_model",
  "owner_unknown",
  "owner_busy",
  "quarantined",
  "agent_away",
  "no_policy",
  "observe_mode",
  "memory_unknown",
  "memory_short",
  "notice_too_long",
  "window_closed",
  "held",
  "hinted",
  "cool_down",
  "meetings_max",
  "idle_too_short",
  "breaker",
  "no_forecast",
  "owner_may_return",
  "window_too_short",
  "window_not_worth_it",
  "lent",
  "other_trust_group",
  "share_taken",
  "host_too_full",
  "lent_share_max",
  "reserve",
  "fits",
];

/** Explains why a guest of the snapshot waits after its cycle, device by device; null: it is not among those that wait. */
export function explainWait(
  snapshot: Snapshot,
  decisions: CycleDecisions,
  guestId: string,
  settings: CycleSettings,
): WaitExplanation | null {
  const place = snapshot.guests.findIndex(({ id }) => id === guestId);
  const guest = snapshot.guests[place];
  const waits = decisions.waits[place] ?? 0;
  if (guest === undefined || waits === 0) return null;
  const counts = new Obstacles(snapshot, decisions, guest, settings).count();
  const nearest = nearness.findLast((code) => counts.has(code));
  let reasonCode: ReasonCode = nearest ?? "no_such_device";
  if (waits === reasonNumber("lends_max")) reasonCode = "lends_max";
  else if (nearest === "other_pool" || nearest === "other_model") reasonCode = "no_such_device";
  return {
    reasonCode,
    reason: reasons[reasonCode],
    obstacles: [...counts]
      .map(([code, devices]) => ({ reasonCode: code, reason: reasons[code], devices }))
      .toSorted(
        (a, b) =>
          b.devices - a.devices || reasonCodes.indexOf(a.reasonCode) - reasonCodes.indexOf(b.reasonCode),
      ),
  };
}

/** Judges each device by itself, without the classes and shortcuts of the matcher. */
class Obstacles {
  readonly #snapshot: Snapshot;
  readonly #guest: WaitingGuest;
  readonly #need: TimeNeed;
  readonly #settings: CycleSettings;
  readonly #fits = new Map<PoolView, Map<SurvivalCurve, Fit>>();
  /** What this cycle lent, by device. */
  readonly #lent = new Map<DeviceUuid, { permille: number; memoryMib: number; trustGroup: string }>();
  readonly #poolBudgets = new Map<string, { left: number; bound: ReasonCode }>();

  constructor(snapshot: Snapshot, decisions: CycleDecisions, guest: WaitingGuest, settings: CycleSettings) {
    this.#snapshot = snapshot;
    this.#guest = guest;
    this.#need = timeNeed(guest, settings);
    this.#settings = settings;
    const lentTo = new Map(decisions.lends.map(({ guestId }) => [guestId, ""]));
    for (const { id, spec } of snapshot.guests) if (lentTo.has(id)) lentTo.set(id, spec.trustGroup);
    for (const { guestId, grants } of decisions.lends)
      for (const grant of grants) this.#addLent(grant, lentTo.get(guestId) ?? "");
    this.#countBudgets();
  }

  /** Devices by the first thing that is in the guest's way. */
  count(): Map<ReasonCode, number> {
    const counts = new Map<ReasonCode, number>();
    const add = (code: ReasonCode, devices = 1) => counts.set(code, (counts.get(code) ?? 0) + devices);
    const sites = new Map<string, number>();
    for (const device of this.#snapshot.devices) {
      const code = this.#obstacle(device);
      if (code !== "fits" || this.#guest.spec.shape.devices === 1) add(code);
      else {
        const site = `${device.info.pool} ${device.info.host}`;
        sites.set(site, (sites.get(site) ?? 0) + 1);
      }
    }
    for (const devices of sites.values())
      add(devices < this.#guest.spec.shape.devices ? "host_too_full" : "fits", devices);
    return counts;
  }

  #obstacle(device: DeviceView): ReasonCode {
    const { shape } = this.#guest.spec;
    const { pool, model } = device.info;
    if (!isOfKind(shape, model, pool))
      return shape.model === "" || shape.model === model ? "other_pool" : "other_model";
    const view = this.#snapshot.pools.get(pool);
    const gated = gate(device, view, this.#snapshot.nowMs);
    if (gated !== null) return gated;
    if (view === undefined) return "no_policy";
    if (device.curve === null) return "no_forecast";
    const lendable = lendableMib(device, view.policy);
    const wanted = memoryWanted(shape, lendable);
    if (wanted === null) return "memory_unknown";
    if (
      lendable !== null &&
      (wanted > lendable || lendable === 0 || (wanted === 0 && shape.memoryMib === null))
    )
      return "memory_short";
    const { obstacle } = this.#fitOf(view, device.curve);
    if (obstacle !== null) return obstacle;
    return this.#roomObstacle(device, lendable, wanted);
  }

  #fitOf(view: PoolView, curve: SurvivalCurve): Fit {
    let fits = this.#fits.get(view);
    if (fits === undefined) {
      fits = new Map();
      this.#fits.set(view, fits);
    }
    let fit = fits.get(curve);
    if (fit === undefined) {
      fit = fitWindow(curve, this.#need, view.policy, this.#settings);
      fits.set(curve, fit);
    }
    return fit;
  }

  #roomObstacle(device: DeviceView, lendable: number | null, wanted: number): ReasonCode {
    const { shape, trustGroup } = this.#guest.spec;
    const now = this.#lent.get(device.info.uuid);
    const held = heldOf(device);
    const permille = held.permille + (now?.permille ?? 0);
    if (permille === 0) {
      const { left, bound } = this.#poolBudgets.get(device.info.pool)!;
      return left < shape.devices ? bound : "fits";
    }
    if (shape.sharePermille === 1000 || permille >= 1000) return "lent";
    if ((device.leases.length > 0 ? held.trustGroup : now?.trustGroup) !== trustGroup)
      return "other_trust_group";
    if (lendable === null) return "memory_unknown";
    const freeMib = lendable - held.memoryMib - (now?.memoryMib ?? 0);
    const isFull = permille + shape.sharePermille > 1000 || freeMib <= 0 || wanted > freeMib;
    return isFull ? "share_taken" : "fits";
  }

  #addLent({ device, sharePermille, memoryMib }: Grant, trustGroup: string): void {
    const lent = this.#lent.get(device);
    if (lent === undefined) this.#lent.set(device, { permille: sharePermille, memoryMib, trustGroup });
    else {
      lent.permille += sharePermille;
      lent.memoryMib += memoryMib;
    }
  }

  #countBudgets(): void {
    const tallies = new Map<string, { devices: number; lent: number }>();
    for (const { info, leases } of this.#snapshot.devices) {
      let tally = tallies.get(info.pool);
      if (tally === undefined) {
        tally = { devices: 0, lent: 0 };
        tallies.set(info.pool, tally);
      }
      tally.devices++;
      if (leases.length > 0 || this.#lent.has(info.uuid)) tally.lent++;
    }
    for (const [pool, { devices, lent }] of tallies) {
      const view = this.#snapshot.pools.get(pool);
      const { most, bound } =
        view === undefined ? { most: 0, bound: "lent_share_max" as const } : lentMax(view, devices);
      this.#poolBudgets.set(pool, { left: Math.max(0, most - lent), bound });
    }
  }
}
