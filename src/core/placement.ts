import type { DeviceUuid } from "./device.ts";
import type { Grant } from "./guest.ts";
import type { Rung } from "./policy.ts";
import { gate, heldOf, lendableMib, lentMax } from "./placement-gate.ts";
import { reasonNumber, type ReasonCode } from "./reasons.ts";
import type { DeviceView, PoolView, Snapshot } from "./snapshot.ts";
import type { SurvivalCurve } from "./survival-curve.ts";

/** A pool in this cycle. */
export interface PoolTally {
  readonly name: string;
  readonly view: PoolView | undefined;
  readonly firstRung: Rung;
  readonly recallDeadlineMs: number;
  devices: number;
  lent: number;
  /** Devices that may still be lent, and what keeps them to it. */
  budget: number;
  bound: Extract<ReasonCode, "lent_share_max" | "reserve">;
  readonly windows: Map<SurvivalCurve, Window>;
}

/** Devices of one pool with one forecast. */
export interface Window {
  /** From 0, over all pools. */
  readonly index: number;
  readonly pool: PoolTally;
  /** Devices of it that nobody has taken yet. */
  free: number;
  readonly curve: SurvivalCurve;
  /** Smallest of the free devices. */
  firstUuid: DeviceUuid;
  /** In the order of their smallest uuids. */
  readonly opportunities: Opportunity[];
}

/** Free devices that no guest can tell apart but by host and name. */
export interface Opportunity {
  /** From 0, over all windows. */
  readonly index: number;
  readonly window: Window;
  readonly model: string;
  /** null: not known. */
  readonly lendableMib: number | null;
  /** Places in the snapshot's devices. */
  readonly places: number[];
  /** How many of them nobody has taken yet. */
  free: number;
  /** Smallest of them all, free or not. */
  firstUuid: DeviceUuid;
  next: number;
  inOrder: boolean;
}

/** A device that guests of one trust group share, with room for more. */
export interface SharedDevice {
  readonly place: number;
  readonly window: Window;
  readonly model: string;
  readonly lendableMib: number;
  freePermille: number;
  freeMib: number;
}

/**
 * What may be lent, sorted into classes of equal devices, and what this cycle has taken of it. Matching then costs by class,
 * not by device. Within a cycle what is free only ever shrinks.
 */
export class Placement {
  readonly devices: readonly DeviceView[];
  readonly windows: Window[] = [];
  /** Those with free devices. */
  readonly windowsByUuid: readonly Window[];
  readonly opportunities: Opportunity[] = [];
  /** By trust group; fullest first, then those that this cycle opened. */
  readonly shared = new Map<string, SharedDevice[]>();
  /** By place: the reason's number, 0 where the owner is not idle or all of the device is lent. */
  readonly unlent: Uint8Array<ArrayBuffer>;
  /** Free devices that nobody has taken yet, and shared ones with room. */
  #openDevices = 0;
  readonly #pools = new Map<string, PoolTally>();
  readonly #taken: Uint8Array;
  readonly #opportunityOf: Int32Array;

  constructor(snapshot: Snapshot) {
    this.devices = snapshot.devices;
    this.unlent = new Uint8Array(snapshot.devices.length);
    this.#taken = new Uint8Array(snapshot.devices.length);
    this.#opportunityOf = new Int32Array(snapshot.devices.length).fill(-1);
    let pool: PoolTally | undefined;
    for (let place = 0; place < this.devices.length; place++) {
      const device = this.devices[place]!;
      if (pool?.name !== device.info.pool) pool = this.#poolOf(device.info.pool, snapshot.pools);
      this.#survey(device, place, pool, snapshot.nowMs);
    }
    for (const tally of this.#pools.values())
      if (tally.view !== undefined) {
        const { most, bound } = lentMax(tally.view, tally.devices);
        tally.budget = Math.max(0, most - tally.lent);
        tally.bound = bound;
      }
    for (const list of this.shared.values()) list.sort((a, b) => this.#fullerFirst(a, b));
    const byUuid = (a: { firstUuid: DeviceUuid }, b: { firstUuid: DeviceUuid }) =>
      a.firstUuid < b.firstUuid ? -1 : 1;
    for (const { opportunities } of this.windows) opportunities.sort(byUuid);
    this.windowsByUuid = this.windows
      .filter(({ opportunities }) => opportunities.length > 0)
      .toSorted(byUuid);
  }

  get isExhausted(): boolean {
    return this.#openDevices === 0;
  }

  /** Index of the class of a device that was free when the cycle began; −1 of the others. */
  opportunityOf(place: number): number {
    return this.#opportunityOf[place]!;
  }

  isTaken(place: number): boolean {
    return this.#taken[place] !== 0;
  }

  /** The free device of the class with the smallest uuid; there must be one. */
  firstFree(opportunity: Opportunity): number {
    const { places } = opportunity;
    if (!opportunity.inOrder) {
      places.sort((a, b) => (this.devices[a]!.info.uuid < this.devices[b]!.info.uuid ? -1 : 1));
      opportunity.inOrder = true;
    }
    while (this.isTaken(places[opportunity.next]!)) opportunity.next++;
    return places[opportunity.next]!;
  }

  take(place: number, opportunity: Opportunity): void {
    this.#taken[place] = 1;
    this.unlent[place] = 0;
    this.#openDevices--;
    opportunity.free--;
    opportunity.window.free--;
    opportunity.window.pool.budget--;
  }

  /** A free device that was just taken for a share is open to the others of the trust group. */
  openShared(trustGroup: string, device: SharedDevice): void {
    this.unlent[device.place] = reasonNumber("fragment");
    this.#openDevices++;
    const list = this.shared.get(trustGroup);
    if (list === undefined) this.shared.set(trustGroup, [device]);
    else list.push(device);
  }

  takeShare(device: SharedDevice, { sharePermille, memoryMib }: Grant): void {
    device.freePermille -= sharePermille;
    device.freeMib -= memoryMib;
    if (device.freePermille > 0) return;
    this.unlent[device.place] = 0;
    this.#openDevices--;
  }

  /** Says why the free devices that nobody took stay unlent. */
  explainFree(why: ReasonCode): void {
    for (const { places, window } of this.opportunities) {
      const number = reasonNumber(window.pool.budget === 0 ? window.pool.bound : why);
      for (const place of places) if (!this.isTaken(place)) this.unlent[place] = number;
    }
  }

  #survey(device: DeviceView, place: number, pool: PoolTally, nowMs: number): void {
    pool.devices++;
    if (device.leases.length > 0) pool.lent++;
    const reason = gate(device, pool.view, nowMs);
    if (device.leases.length > 0) this.#surveyLent(device, place, pool, reason);
    else if (reason === null) this.#classify(device, place, pool);
    else if (device.owner === "idle") this.unlent[place] = reasonNumber(reason);
  }

  #surveyLent(device: DeviceView, place: number, pool: PoolTally, reason: ReasonCode | null): void {
    if (device.owner !== "idle") return;
    const held = heldOf(device);
    if (held.permille >= 1000) return;
    this.unlent[place] = reasonNumber(reason ?? "fragment");
    if (reason !== null || held.trustGroup === null || device.curve === null || pool.view === undefined)
      return;
    const lendable = lendableMib(device, pool.view.policy);
    if (lendable === null || lendable <= held.memoryMib) return;
    const shared: SharedDevice = {
      place,
      window: this.#windowOf(pool, device.curve),
      model: device.info.model,
      lendableMib: lendable,
      freePermille: 1000 - held.permille,
      freeMib: lendable - held.memoryMib,
    };
    this.openShared(held.trustGroup, shared);
  }

  #classify(device: DeviceView, place: number, pool: PoolTally): void {
    if (device.curve === null || pool.view === undefined) return;
    const { model, uuid } = device.info;
    const lendable = lendableMib(device, pool.view.policy);
    if (lendable === 0) {
      this.unlent[place] = reasonNumber("memory_short");
      return;
    }
    const window = this.#windowOf(pool, device.curve);
    if (window.opportunities.length === 0 || uuid < window.firstUuid) window.firstUuid = uuid;
    this.#openDevices++;
    window.free++;
    for (const opportunity of window.opportunities) {
      if (opportunity.lendableMib !== lendable || opportunity.model !== model) continue;
      opportunity.places.push(place);
      opportunity.free++;
      this.#opportunityOf[place] = opportunity.index;
      if (uuid < opportunity.firstUuid) opportunity.firstUuid = uuid;
      return;
    }
    const opportunity: Opportunity = {
      index: this.opportunities.length,
      window,
      model,
      lendableMib: lendable,
      places: [place],
      free: 1,
      firstUuid: uuid,
      next: 0,
      inOrder: false,
    };
    this.#opportunityOf[place] = opportunity.index;
    window.opportunities.push(opportunity);
    this.opportunities.push(opportunity);
  }

  #windowOf(pool: PoolTally, curve: SurvivalCurve): Window {
    let window = pool.windows.get(curve);
    if (window === undefined) {
      window = { index: this.windows.length, pool, curve, free: 0, firstUuid: "", opportunities: [] };
      pool.windows.set(curve, window);
      this.windows.push(window);
    }
    return window;
  }

  #poolOf(name: string, views: ReadonlyMap<string, PoolView>): PoolTally {
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      const view = views.get(name);
      pool = {
        name,
        view,
        firstRung: view?.policy.firstRung ?? "vacate",
        recallDeadlineMs: view?.policy.recallDeadlineMs ?? 0,
        devices: 0,
        lent: 0,
        budget: 0,
        bound: "lent_share_max",
        windows: new Map(),
      };
      this.#pools.set(name, pool);
    }
    return pool;
  }

  #fullerFirst(a: SharedDevice, b: SharedDevice): number {
    if (a.freePermille !== b.freePermille) return a.freePermille - b.freePermille;
    return this.devices[a.place]!.info.uuid < this.devices[b.place]!.info.uuid ? -1 : 1;
  }
}
