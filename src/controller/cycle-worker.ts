import { parentPort, workerData } from "node:worker_threads";
import { decideCycle, type CycleDecisions } from "../core/cycle.ts";
import { explainWait } from "../core/cycle-explain.ts";
import type { WaitingGuest } from "../core/guest.ts";
import type { DeviceView, Snapshot } from "../core/snapshot.ts";
import { curveOf, type TableCurve } from "../core/survival-table.ts";
import type { CycleWorkerData, Filled, FromWorker, PlainDevice, ToWorker } from "./cycle-protocol.ts";

/** Decides large cycles on a thread of its own, on a mirror of the controller's view that is fed with what changed. */

const { settings } = workerData as CycleWorkerData;
const curves: TableCurve[] = [];
const devices: DeviceView[] = [];
const guests: WaitingGuest[] = [];
let last: { readonly snapshot: Snapshot; readonly decisions: CycleDecisions } | null = null;

parentPort?.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "curves":
      for (const { slot, item } of message.filled) curves[slot] = curveOf(item.table, item.ageMs);
      break;
    case "devices":
      for (const filled of message.filled) fillDevice(filled);
      break;
    case "guests":
      for (const { slot, item } of message.filled) guests[slot] = item;
      break;
    case "decide": {
      const snapshot: Snapshot = {
        nowMs: message.nowMs,
        pools: message.pools,
        tenants: message.tenants,
        limits: message.limits,
        devices: Array.from(message.devices, (slot) => devices[slot]!),
        guests: Array.from(message.guests, (slot) => guests[slot]!),
      };
      const decisions = decideCycle(snapshot, settings);
      last = { snapshot, decisions };
      const { waits, unlent, lends } = decisions;
      answer({ kind: "decided", waits, unlent, lends: lends.length });
      break;
    }
    case "lends": {
      const lends = last?.decisions.lends ?? [];
      answer({ kind: "lends", lends: lends.slice(message.from, message.from + message.count) });
      break;
    }
    case "explain": {
      const explanation =
        last === null ? null : explainWait(last.snapshot, last.decisions, message.guestId, settings);
      answer({ kind: "explained", explanation });
      break;
    }
  }
});

function fillDevice({ slot, item }: Filled<PlainDevice>): void {
  devices[slot] = { ...item, curve: curves[item.curve] ?? null };
}

function answer(message: FromWorker): void {
  parentPort?.postMessage(message, []);
}
