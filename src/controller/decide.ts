import { decideCycle, type CycleDecisions } from "../core/cycle.ts";
import type { CycleSettings, Snapshot } from "../core/snapshot.ts";

export interface Decider {
  decide(snapshot: Snapshot): Promise<CycleDecisions>;
  close(): Promise<void>;
}

export function createDecider({
  settings,
}: {
  workerAboveDevices: number;
  settings: CycleSettings;
}): Decider {
  return { decide: async (snapshot) => decideCycle(snapshot, settings), close: async () => {} };
}
