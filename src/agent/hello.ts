import { leaseStepToProto, type LeaseStep, tokenToProto } from "../api/convert/lease.ts";
import { localRecallToProto } from "../api/convert/recall.ts";
import { deviceToProto } from "../api/convert/sample.ts";
import type { Hello } from "../gen/gleaner/v1/agents.ts";
import type { Devices } from "./devices.ts";
import type { Fence } from "./disk/fence.ts";
import type { LeaseRunner } from "./lease/lease-runner.ts";
import type { LeaseTable } from "./lease/lease-table.ts";
import type { RecallBook } from "./recall/recall-book.ts";

/** Of which Hello tells. */
export interface Introduced {
  readonly identity: Pick<Hello, "agentId" | "host" | "zone" | "version">;
  readonly devices: Devices;
  readonly table: LeaseTable;
  readonly fence: Fence;
  readonly book: RecallBook;
}

/** All that a controller has to know of this agent to begin with. `nowMs` of the agent's own clock. */
export function helloNow(
  { identity, devices, table, fence, book }: Introduced,
  recallAddress: string,
  nowMs: number,
): Hello {
  return {
    ...identity,
    recallAddress,
    devices: devices.all().map(deviceToProto),
    leases: table
      .all()
      .flatMap(stepsToTell)
      .map((step) => leaseStepToProto(step, nowMs)),
    tokens: [...fence.tokens()].map(([device, token]) => ({ device, token: tokenToProto(token) })),
    newestLeader: fence.newestLeader ?? undefined,
    recalls: book.open().map((step) => localRecallToProto(step, nowMs)),
  };
}

/** All that is unacknowledged, in order; where all is, the last step, so that the controller sees what lives here. */
function stepsToTell(runner: LeaseRunner): readonly LeaseStep[] {
  const { leaseId, token, devices, lastStep, unacknowledged, ladder } = runner.record;
  if (unacknowledged.length > 0) return unacknowledged;
  if (lastStep !== null) return [lastStep];
  const { state, stateSinceMs, cause } = ladder;
  const { mover, detail, recallId } = cause;
  return [
    {
      leaseId,
      token,
      step: 0,
      state,
      atMs: stateSinceMs,
      mover,
      detail,
      signalToStepMs: null,
      recallId,
      devices,
      end: null,
    },
  ];
}
