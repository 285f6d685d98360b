import type { WaitingGuest } from "./guest.ts";
import { Heap } from "./heap.ts";
import type { TenantUse } from "./snapshot.ts";

/** A tenant's guests in their order, and what it has had for its weight. */
export interface TenantLane {
  readonly tenant: string;
  readonly weight: number;
  /** Decayed device time used plus what this cycle gave, for each unit of weight. */
  usedPerWeightMs: number;
  /** Places in the snapshot's guests. */
  readonly guests: number[];
  /** Of the next one in `guests`. */
  next: number;
  inOrder: boolean;
}

/**
 * Whose turn it is: the tenant that has had least for its weight; within a tenant higher priority first, then the order of
 * acceptance. A guest that cannot be lent to is passed over at no cost to its tenant's turn.
 */
export class FairShare {
  readonly #guests: readonly WaitingGuest[];
  readonly #lanes: Heap<TenantLane>;

  constructor(guests: readonly WaitingGuest[], tenants: readonly TenantUse[]) {
    this.#guests = guests;
    const lanes = new Map<string, TenantLane>();
    const uses = new Map(tenants.map((use) => [use.tenant, use]));
    guests.forEach((guest, place) => {
      let lane = lanes.get(guest.spec.tenant);
      if (lane === undefined) {
        lane = laneOf(guest.spec.tenant, uses.get(guest.spec.tenant));
        lanes.set(lane.tenant, lane);
      }
      const last = lane.guests.at(-1);
      if (last !== undefined && !isBefore(guests[last]!, guest)) lane.inOrder = false;
      lane.guests.push(place);
    });
    this.#lanes = new Heap(takesTurnBefore, [...lanes.values()]);
  }

  /** Place of the guest whose turn it is; null: none is left. Each is named once. */
  next(): number | null {
    for (;;) {
      const lane = this.#lanes.first;
      if (lane === undefined) return null;
      if (!lane.inOrder) this.#order(lane);
      const place = lane.guests[lane.next];
      if (place !== undefined) {
        lane.next++;
        return place;
      }
      this.#lanes.removeFirst();
    }
  }

  /** The guest named last was lent devices for so much device time. */
  charge(deviceMs: number): void {
    const lane = this.#lanes.first;
    if (lane === undefined) return;
    lane.usedPerWeightMs += deviceMs / lane.weight;
    this.#lanes.settleFirst();
  }

  #order(lane: TenantLane): void {
    const guests = this.#guests;
    lane.guests.sort((a, b) => (isBefore(guests[a]!, guests[b]!) ? -1 : 1));
    lane.inOrder = true;
  }
}

/** The order of guests within a tenant. */
function isBefore(a: WaitingGuest, b: WaitingGuest): boolean {
  if (a.spec.priority !== b.spec.priority) return a.spec.priority > b.spec.priority;
  if (a.sequence !== b.sequence) return a.sequence < b.sequence;
  return a.id < b.id;
}

function laneOf(tenant: string, use: TenantUse | undefined): TenantLane {
  const weight = use?.weight ?? 1;
  return {
    tenant,
    weight,
    usedPerWeightMs: (use?.usedDeviceMs ?? 0) / weight,
    guests: [],
    next: 0,
    inOrder: true,
  };
}

function takesTurnBefore(a: TenantLane, b: TenantLane): boolean {
  if (a.usedPerWeightMs !== b.usedPerWeightMs) return a.usedPerWeightMs < b.usedPerWeightMs;
  return a.tenant < b.tenant;
}
