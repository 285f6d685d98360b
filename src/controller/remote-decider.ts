import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { CycleDecisions, Lend } from "../core/cycle.ts";
import type { WaitExplanation } from "../core/cycle-explain.ts";
import type { WaitingGuest } from "../core/guest.ts";
import type { CycleSettings, DeviceView, Snapshot } from "../core/snapshot.ts";
import { TableCurve } from "../core/survival-table.ts";
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
  readonly #worker: Worker;
  readonly #curves = new SlotMirror<TableCurve>((filled) =>
    this.#post({
      kind: "curves",
      filled: filled.map(({ slot, item: { table, ageMs } }) => ({ slot, item: { table, ageMs } })),
    }),
  );
  readonly #devices = new SlotMirror<DeviceView>((filled) =>
    this.#post({
      kind: "devices",
      filled: filled.map(({ slot, item }) => ({ slot, item: this.#plainDevice(item) })),
    }),
  );
  readonly #guests = new SlotMirror<WaitingGuest>((filled) =>
    this.#post({
      kind: "guests",
      filled: filled.map(({ slot, item }) => ({ slot, item: plainGuest(item) })),
    }),
  );
  readonly #answers: PromiseWithResolvers<FromWorker>[] = [];
  #failure: Error | null = null;

  constructor(settings: CycleSettings) {
    const workerData: CycleWorkerData = { settings };
    this.#worker = new Worker(new URL("cycle-worker.ts", import.meta.url), { workerData, resourceLimits });
    this.#worker.on("message", (message: FromWorker) => this.#answers.shift()?.resolve(message));
    this.#worker.on("error", (error) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
    this.#worker.on("exit", (code) =>
      this.#fail(new Error(`the thread that decides ended with code ${code}`)),
    );
  }

  async decide(snapshot: Snapshot): Promise<CycleDecisions> {
    const { nowMs, pools, tenants, limits } = snapshot;
    const slices = new Slices(sliceMs);
    await this.#curves.sync(await curvesOf(snapshot.devices, slices), slices);
    const devices = await this.#devices.sync(snapshot.devices, slices);
    const guests = await this.#guests.sync(snapshot.guests, slices);
    await setImmediate();
    const decided = await this.#ask({ kind: "decide", nowMs, pools, tenants, limits, devices, guests });
    if (decided.kind !== "decided") throw new Error(`answered ${decided.kind} to decide`);
    const { waits, unlent } = decided;
    const lends: Lend[] = [];
    while (lends.length < decided.lends) {
      const part = await this.#ask({ kind: "lends", from: lends.length, count: lendsPerMessage });
      if (part.kind !== "lends" || part.lends.length === 0) throw new Error(`answered ${part.kind} to lends`);
      lends.push(...part.lends);
    }
    return { lends, waits, unlent };
  }

  async explain(guestId: string): Promise<WaitExplanation | null> {
    const explained = await this.#ask({ kind: "explain", guestId });
    if (explained.kind !== "explained") throw new Error(`answered ${explained.kind} to explain`);
    return explained.explanation;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(message: ToWorker): Promise<FromWorker> {
    if (this.#failure !== null) throw this.#failure;
    const answer = Promise.withResolvers<FromWorker>();
    this.#answers.push(answer);
    this.#post(message);
    return answer.promise;
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(
      message,
      message.kind === "decide" ? [message.devices.buffer, message.guests.buffer] : [],
    );
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const answer of this.#answers.splice(0)) answer.reject(this.#failure);
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
