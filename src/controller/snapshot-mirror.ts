import type { WaitingGuest } from "../core/guest.ts";
import type { DeviceView, Snapshot } from "../core/snapshot.ts";
import { curveFrom, type PlainCurve, WindowCurve } from "../core/forecast/window-curve.ts";
import type { Slices } from "./slices.ts";
import { SlotMirror, type Filled } from "./slot-mirror.ts";

/** The curve is the slot of one that was sent before; −1: none. */
export type PlainDevice = Omit<DeviceView, "curve"> & { readonly curve: number };

/** What a mirror holds from now on. */
export type MirrorPart =
  | { readonly kind: "curves"; readonly filled: readonly Filled<PlainCurve>[] }
  | { readonly kind: "devices"; readonly filled: readonly Filled<PlainDevice>[] }
  | { readonly kind: "guests"; readonly filled: readonly Filled<WaitingGuest>[] };

/** A snapshot of what the mirror holds: slots, in the order of the snapshot. */
export interface Outline extends Omit<Snapshot, "devices" | "guests"> {
  readonly devices: Int32Array<ArrayBuffer>;
  readonly guests: Int32Array<ArrayBuffer>;
}

const noWorkload = { kind: "process", command: [], env: {}, workingDir: "" } as const;

/** The sending end of a mirror of snapshots, as plain data: of each only what is new since the one before goes over. */
export class SnapshotMirror {
  readonly #curves: SlotMirror<WindowCurve>;
  readonly #devices: SlotMirror<DeviceView>;
  readonly #guests: SlotMirror<WaitingGuest>;

  constructor(send: (part: MirrorPart) => void) {
    this.#curves = new SlotMirror((filled) =>
      send({ kind: "curves", filled: filled.map(({ slot, item }) => ({ slot, item: item.plain })) }),
    );
    this.#devices = new SlotMirror((filled) =>
      send({
        kind: "devices",
        filled: filled.map(({ slot, item }) => ({ slot, item: this.#plainDevice(item) })),
      }),
    );
    this.#guests = new SlotMirror((filled) =>
      send({ kind: "guests", filled: filled.map(({ slot, item }) => ({ slot, item: plainGuest(item) })) }),
    );
  }

  /** Sends what is new; one call at a time. */
  async sync({ devices, guests, ...rest }: Snapshot, slices: Slices): Promise<Outline> {
    await this.#curves.sync(await curvesOf(devices, slices), slices);
    return {
      ...rest,
      devices: await this.#devices.sync(devices, slices),
      guests: await this.#guests.sync(guests, slices),
    };
  }

  #plainDevice(device: DeviceView): PlainDevice {
    const { info, leases, curve } = device;
    return {
      ...device,
      curve: curve instanceof WindowCurve ? this.#curves.slotOf(curve) : -1,
      leases: leases.map(({ grants, trustGroup }) => ({
        grants: grants.length === 1 ? grants : grants.filter((grant) => grant.device === info.uuid),
        trustGroup,
      })),
    };
  }
}

/** The receiving end. */
export class MirroredSnapshots {
  readonly #curves: WindowCurve[] = [];
  readonly #devices: DeviceView[] = [];
  readonly #guests: WaitingGuest[] = [];

  take(part: MirrorPart): void {
    switch (part.kind) {
      case "curves":
        for (const { slot, item } of part.filled) this.#curves[slot] = curveFrom(item);
        break;
      case "devices":
        for (const { slot, item } of part.filled)
          this.#devices[slot] = { ...item, curve: this.#curves[item.curve] ?? null };
        break;
      case "guests":
        for (const { slot, item } of part.filled) this.#guests[slot] = item;
        break;
    }
  }

  snapshotOf({ nowMs, pools, tenants, limits, devices, guests }: Outline): Snapshot {
    return {
      nowMs,
      pools,
      tenants,
      limits,
      devices: Array.from(devices, (slot) => this.#devices[slot]!),
      guests: Array.from(guests, (slot) => this.#guests[slot]!),
    };
  }
}

/** Each once. */
async function curvesOf(devices: readonly DeviceView[], slices: Slices): Promise<WindowCurve[]> {
  const curves = new Set<WindowCurve>();
  for (let place = 0; place < devices.length; place++) {
    const { curve } = devices[place]!;
    if (curve instanceof WindowCurve) curves.add(curve);
    if (place % 1_024 === 0) await slices.breathe();
  }
  return [...curves];
}

/** Without what the matcher does not look at. */
function plainGuest(guest: WaitingGuest): WaitingGuest {
  return { ...guest, spec: { ...guest.spec, workload: noWorkload, labels: {} } };
}
