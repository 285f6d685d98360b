import { decideCycle, type CycleDecisions } from "../core/cycle.ts";
import { explainWait, type WaitExplanation } from "../core/cycle-explain.ts";
import type { CycleSettings, Snapshot } from "../core/snapshot.ts";
import { RemoteDecider } from "./remote-decider.ts";

/** Decides cycles, one at a time. */
export interface Decider {
  decide(snapshot: Snapshot): Promise<CycleDecisions>;
  /** Why a guest waits, as the last cycle saw it; null: it was not among its guests, or it was lent devices. */
  explain(guestId: string): Promise<WaitExplanation | null>;
  close(): Promise<void>;
}

/**
 * Small fleets are decided where the caller runs. Large ones are decided on a thread of their own, so that no recall
 * waits for a cycle: the caller's thread is then never kept for longer than a few ms.
 */
export function createDecider({
  workerAboveDevices,
  settings,
}: {
  readonly workerAboveDevices: number;
  readonly settings: CycleSettings;
}): Decider {
  let remote: RemoteDecider | null = null;
  let last: { readonly snapshot: Snapshot; readonly decisions: CycleDecisions } | null = null;
  return {
    async decide(snapshot) {
      if (snapshot.devices.length <= workerAboveDevices) {
        const decisions = decideCycle(snapshot, settings);
        last = { snapshot, decisions };
        return decisions;
      }
      last = null;
      remote ??= new RemoteDecider(settings);
      try {
        return await remote.decide(snapshot);
      } catch (thrown) {
        // What the thread knows is no longer certain: the next cycle begins with a new one.
        await remote.close();
        remote = null;
        throw thrown;
      }
    },
    async explain(guestId) {
      if (last !== null) return explainWait(last.snapshot, last.decisions, guestId, settings);
      return (await remote?.explain(guestId)) ?? null;
    },
    async close() {
      await remote?.close();
      remote = null;
    },
  };
}
