import { setImmediate } from "node:timers/promises";
import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { WaitExplanation } from "../core/cycle-explain.ts";
import type { WaitingGuest } from "../core/guest.ts";
import type { CycleSettings, DeviceView, Snapshot } from "../core/snapshot.ts";
import { TableCurve } from "../core/survival-table.ts";
import { AskedThread } from "../runtime/asked-thread.ts";
import type { CycleWorkerData, FromWorker, ToWorker } from "./cycle-protocol.ts";
import { Slices } from "./slices.ts";
import { SlotMirror } from "./slot-mirror.ts";

/** The caller's thread is kept no longer than about this at once. */
const sliceMs = 2;
const lendsPerMessage = 500;
/** A cycle allocates a lot that is soon garbage: room for it to die young. */
const resourceLimits = { maxYoungGenerationSizeMb: 64, maxOldGenerationSizeMb: 4_096 };

const noWorkload = { kind: "process", command: [], env: {}, workingDir: "" } as const;

/** The caller's end of the thread that decides. */
export class RemoteDecider {
  readonly #thread: AskedThread<ToWorker, FromWorker>;
  readonly #curves = new SlotMirror<TableCurve>((filled) =>
    this.#thread.tell({
      kind: "curves",
      filled: filled.map(({ slot, item: { table, ageMs } }) => ({ slot, item: { table, ageMs } })),
    }),
  );
  readonly #devices = new SlotMirror<DeviceView>((filled) =>
    this.#thread.tell({
      kind: "devices",
      filled: filled.map(({ slot, item }) => ({ slot, item: this.#plainDevice(item) })),
    }),
  );
  readonly #guests = new SlotMirror<WaitingGuest>((filled) =>
    this.#thread.tell({
      kind: "guests",
      filled: filled.map(({ slot, item }) => ({ slot, item: plainGuest(item) })),
    }),
  );

  constructor(settings: CycleSettings) {
    const workerData: CycleWorkerData = { settings };
    const file = new URL("cycle-worker.ts", import.meta.url);
    this.#thread = new AskedThread({ file, task: "decides", workerData, resourceLimits });
  }

  async decide(snapshot: Snapshot): Promise<CycleDecisions> {
    const { nowMs, pools, tenants, limits } = snapshot;
    const slices = new Slices(sliceMs);
    await this.#curves.sync(await curvesOf(snapshot.devices, slices), slices);
    const devices = await this.#devices.sync(snapshot.devices, slices);
    const guests = await this.#guests.sync(snapshot.guests, slices);
    await setImmediate();
    const decided = await this.#thread.ask(
      { kind: "decide", nowMs, pools, tenants, limits, devices, guests },
      [devices.buffer, guests.buffer],
    );
    if (decided.kind !== "decided") throw new Error(`answered ${decided.kind} to decide`);
    const { waits, unlent } = decided;
    const lends: Lend[] = [];
    while (lends.length < decided.lends) {
      const part = await this.#thread.ask({ kind: "lends", from: lends.length, count: lendsPerMessage });
      if (part.kind !== "lends" || part.lends.length === 0) throw new Error(`answered ${part.kind} to lends`);
      lends.push(...part.lends);
    }
    return { lends, waits, unlent };
  }

  async explain(guestId: string): Promise<WaitExplanation | null> {
    const explained = await this.#thread.ask({ kind: "explain", guestId });
    if (explained.kind !== "explained") throw new Error(`answered ${explained.kind} to explain`);
    return explained.explanation;
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }

  #plainDevice(device: DeviceView) {
    const { info, leases, curve } = device;
    return {
      ...device,
      curve: curve instanceof TableCurve ? this.#curves.slotOf(curve) : -1,
      leases: leases.map(({ grants, trustGroup }) => ({
        grants: grants.length === 1 ? grants : grants.filter((grant) => grant.device === info.uuid),
        trustGroup,
      })),
    };
  }
}

/** Each once. */
async function curvesOf(devices: readonly DeviceView[], slices: Slices): Promise<TableCurve[]> {
  const curves = new Set<TableCurve>();
  for (let place = 0; place < devices.length; place++) {
    const { curve } = devices[place]!;
    if (curve instanceof TableCurve) curves.add(curve);
    if (place % 1_024 === 0) await slices.breathe();
  }
  return [...curves];
}

/** Without what the matcher does not look at. */
function plainGuest(guest: WaitingGuest): WaitingGuest {
  return { ...guest, spec: { ...guest.spec, workload: noWorkload, labels: {} } };
}
