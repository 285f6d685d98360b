import { decideCycle, unlentReason, waitReason, type CycleDecisions, type Lend } from "../core/cycle.ts";
import type { CycleSettings, Snapshot } from "../core/snapshot.ts";
import type { DecidedCycle } from "./decision-text.ts";

/** What two decisions on one snapshot say differently. */
export interface Difference {
  /** `guest ID` or `device UUID`. */
  readonly subject: string;
  readonly recorded: string;
  readonly replayed: string;
}

/** Decides a cycle again, as the controller would; null: it decides the same. */
export function replay({ snapshot, decisions }: DecidedCycle, settings: CycleSettings): Difference | null {
  return firstDifference(snapshot, decisions, decideCycle(snapshot, settings));
}

function firstDifference(
  { guests, devices }: Snapshot,
  recorded: CycleDecisions,
  replayed: CycleDecisions,
): Difference | null {
  for (let place = 0; place < Math.max(recorded.lends.length, replayed.lends.length); place++) {
    const [before, now] = [recorded.lends[place], replayed.lends[place]];
    const said = { recorded: lendInWords(before), replayed: lendInWords(now) };
    if (said.recorded !== said.replayed)
      return { subject: `lend ${place + 1}, guest ${(before ?? now)!.guestId}`, ...said };
  }
  for (const [place, { id }] of guests.entries()) {
    const said = {
      recorded: waitReason(recorded, place) ?? "lent",
      replayed: waitReason(replayed, place) ?? "lent",
    };
    if (said.recorded !== said.replayed) return { subject: `guest ${id}`, ...said };
  }
  for (const [place, { info }] of devices.entries()) {
    const said = {
      recorded: unlentReason(recorded, place) ?? "nothing to say",
      replayed: unlentReason(replayed, place) ?? "nothing to say",
    };
    if (said.recorded !== said.replayed) return { subject: `device ${info.uuid}`, ...said };
  }
  return null;
}

/** All that a lend says. */
function lendInWords(lend: Lend | undefined): string {
  if (lend === undefined) return "no lend";
  const { guestId, host, grants, reasonCode, reason, forecastHash, expectedUsefulMs, chanceFits } = lend;
  const parts = grants.map(
    ({ device, sharePermille, memoryMib }) => `${device} (${sharePermille}‰, ${memoryMib} MiB)`,
  );
  return (
    `${guestId} on ${host}: ${parts.join(", ")}; ${reasonCode}: ${reason} ` +
    `[forecast ${forecastHash}, ${expectedUsefulMs} ms, chance ${chanceFits}]`
  );
}
