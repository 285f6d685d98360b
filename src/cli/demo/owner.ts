import { setTimeout as sleep } from "node:timers/promises";
import { recallOrderToProto, recallProgressFromProto } from "../../api/convert/recall.ts";
import type { Clients } from "../connect.ts";

const pauseMs = 4_000;

/** An owner who, besides those that just start working, calls Recall for one device of each pool in turn. */
export async function ownerCallsRecall(
  { owners }: Pick<Clients, "owners">,
  pools: readonly string[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
    const pool = pools[turn % pools.length];
    if (signal.aborted || pool === undefined) return;
    const order = recallOrderToProto({
      target: { kind: "pool", pool, devices: 1 },
      deadlineMs: null,
      firstRung: null,
      reason: "the demo's owner calls",
      holdMs: null,
    });
    for await (const message of owners.recall(order)) {
      const { device, stage, elapsedMs, leaseId } = recallProgressFromProto(message);
      if (stage === "released" && leaseId !== "")
        say(`owner recalled ${device} of pool ${pool}: released after ${elapsedMs.toFixed(0)} ms`);
      if (stage === "deadline_missed") say(`owner recalled ${device} of pool ${pool}: deadline missed`);
    }
  }
}
