import { setTimeout as sleep } from "node:timers/promises";
import { recallOrderToProto, recallProgressFromProto } from "../../api/convert/recall.ts";
import type { FleetDevice } from "../../api/ports.ts";
import type { Clients } from "../connect.ts";

const everyMs = 4_000;

/** An owner who, besides those that just start working, calls Recall for a lent device every few seconds. */
export async function ownerCallsRecall(
  { owners }: Pick<Clients, "owners">,
  fleet: () => readonly FleetDevice[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    const lent = fleet().filter(({ leases }) => leases.length > 0);
    // Another one each time, of each pool.
    const device = lent[(turn * 7) % Math.max(1, lent.length)];
    if (signal.aborted || device === undefined) continue;
    const order = recallOrderToProto({
      target: { kind: "devices", uuids: [device.uuid] },
      deadlineMs: null,
      firstRung: null,
      reason: "the demo's owner calls",
      holdMs: null,
    });
    for await (const message of owners.recall(order)) {
      const { stage, elapsedMs, leaseId } = recallProgressFromProto(message);
      if (leaseId === "" || (stage !== "released" && stage !== "deadline_missed")) continue;
      say(`Recall of ${device.uuid}: ${stage.replace("_", " ")} after ${elapsedMs.toFixed(0)} ms`);
    }
  }
}
