import { isLive } from "../core/lease.ts";
import type { Parts } from "./assemble.ts";

/** What an agent holds, for a person who looks for a fault: plain data, without what guests were given to run. */
export function dumpOf(
  parts: Pick<Parts, "clock" | "devices" | "table" | "book" | "terms" | "conversation" | "options">,
): object {
  const { clock, devices, table, book, terms, conversation, options } = parts;
  const nowMs = clock.nowMs();
  const { journalEntriesMax } = options.settings.agent;
  const unacknowledged = table.all().reduce((sum, { record }) => sum + record.unacknowledged.length, 0);
  return {
    at: new Date(clock.wallMs()).toISOString(),
    agentId: options.agentId,
    host: options.host,
    devices: devices.all().map(({ uuid, pool }) => ({ uuid, pool })),
    leases: table.all().map(({ record, state }) => {
      const { ladder } = record;
      return {
        leaseId: record.leaseId,
        guestId: record.guestId,
        attempt: record.attempt,
        token: record.token,
        devices: record.devices,
        state,
        inStateMs: nowMs - ladder.stateSinceMs,
        cause: ladder.cause,
        demands: ladder.demands,
        termEndsInMs: isLive(state) ? ladder.term.endsAtMs - nowMs : null,
        renewedAgoMs: nowMs - ladder.term.sentAtMs,
        killAgainInMs: ladder.killAgainAtMs === null ? null : ladder.killAgainAtMs - nowMs,
        unacknowledged: record.unacknowledged.length,
      };
    }),
    recalls: book.standing().map(({ recallId, device, stage, deadlineMs, arrivedAtMs }) => ({
      recallId,
      device,
      stage,
      deadlineMs,
      ageMs: nowMs - arrivedAtMs,
    })),
    backlogs: {
      leaseReports: { waiting: unacknowledged, max: journalEntriesMax },
      recallReports: { waiting: book.unacknowledged().length, max: journalEntriesMax },
    },
    streams: conversation.streams,
    term: {
      ms: terms.termMs,
      acknowledgedAgoMs: Number.isFinite(terms.acknowledgedAtMs) ? nowMs - terms.acknowledgedAtMs : null,
    },
  };
}
