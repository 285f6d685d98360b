import { parentPort, workerData } from "node:worker_threads";
import { decideCycle } from "../core/cycle.ts";
import { explainWait } from "../core/cycle-explain.ts";
import type { CycleWorkerData, FromWorker, NewsMessage, ToWorker } from "./cycle-protocol.ts";
import { DecisionJournal } from "./decision-journal.ts";
import type { DecidedCycle } from "./decision-text.ts";
import { MirroredSnapshots } from "./snapshot-mirror.ts";

/**
 * Decides large cycles on a thread of its own, on a mirror of the controller's view that is fed with what changed. It writes the
 * journal too, since it holds the snapshot: once a cycle's lends are handed over, so that none waits for it.
 */

const { settings, journal: place } = workerData as CycleWorkerData;
const journal =
  place === null ? null : new DecisionJournal(place, settings, (news) => post({ kind: "journal", news }));
const mirror = new MirroredSnapshots();
let last: DecidedCycle | null = null;

parentPort?.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "curves":
    case "devices":
    case "guests":
      mirror.take(message);
      break;
    case "decide": {
      const snapshot = mirror.snapshotOf(message);
      const decisions = decideCycle(snapshot, settings);
      last = { atMs: message.atMs, snapshot, decisions };
      const { waits, unlent, lends } = decisions;
      post({ kind: "decided", waits, unlent, lends: lends.length });
      if (lends.length === 0) journal?.record(last);
      break;
    }
    case "lends": {
      const { from, count } = message;
      const lends = last?.decisions.lends ?? [];
      post({ kind: "lends", lends: lends.slice(from, from + count) });
      if (last !== null && from + count >= lends.length) journal?.record(last);
      break;
    }
    case "explain": {
      const explanation =
        last === null ? null : explainWait(last.snapshot, last.decisions, message.guestId, settings);
      post({ kind: "explained", explanation });
      break;
    }
    case "close":
      void Promise.resolve(journal?.close()).then(() => post({ kind: "closed" }));
      break;
  }
});

function post(message: FromWorker | NewsMessage): void {
  parentPort?.postMessage(message, []);
}
