import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Fleet, LiveLease } from "./fleet.ts";
import type { GuestChanges } from "./guest-book.ts";
import type { Journal } from "./journal.ts";
import type { LeaseSteps } from "./lease-steps.ts";
import type { LogReads } from "./log-reads.ts";
import type { OwnerSignals } from "./owner-signals.ts";
import type { Recalls } from "./recalls.ts";
import type { Reign } from "./reign.ts";
import type { Books } from "./surroundings.ts";

interface DumpedParts {
  readonly fleet: Fleet;
  readonly signals: OwnerSignals;
  readonly queue: GuestQueue;
  readonly steps: LeaseSteps;
  readonly journal: Journal;
  readonly changes: GuestChanges;
  readonly recalls: Recalls;
  readonly logs: LogReads;
  readonly books: Books;
  readonly reign: Pick<Reign, "epoch" | "generation">;
  readonly clock: Clock;
}

/** What a leader holds, for a person who looks for a fault: plain data, without what guests were given to run. */
export function dumpOf(parts: DumpedParts): object {
  const { fleet, signals, queue, steps, journal, changes, recalls, logs, books, reign, clock } = parts;
  const nowMs = clock.monotonicMs();
  const { epoch, generation } = reign;
  return {
    at: new Date(clock.wallMs()).toISOString(),
    epoch,
    generation,
    devices: fleet.devices.size,
    quarantined: [...fleet.devices.values()].flatMap(({ info, quarantine }) =>
      quarantine === null ? [] : [{ device: info.uuid, why: quarantine }],
    ),
    leases: [...fleet.leases.values(), ...fleet.unproven.values()].map((live) => leaseOf(live, nowMs)),
    recalls: recalls.standing(),
    holds: signals.holds(),
    waiting: queue.waitingTotal(),
    backlogs: { submissions: queue.submitting(), steps: steps.backlog, ledgerEvents: journal.backlog },
    streams: {
      agents: [...fleet.agents.values()].map(({ host, outgoing: { size, capacity } }) => ({
        host,
        waiting: size,
        max: capacity,
      })),
      watchers: changes.watching,
      logReads: logs.open,
    },
    books: books.problem,
  };
}

function leaseOf({ lease, renewedAtMs, demands, cancel }: LiveLease, nowMs: number): object {
  return {
    ...lease,
    renewedAgoMs: Math.round(nowMs - renewedAtMs),
    demands: [...demands].map(([recallId, { rung }]) => ({ recallId, rung })),
    cancelling: cancel !== null,
  };
}
