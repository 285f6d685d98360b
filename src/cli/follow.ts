import { guestFromProto } from "../api/convert/guest.ts";
import type { GuestView } from "../api/ports.ts";
import { GleanerError } from "../errors/gleaner-error.ts";
import type { Cli } from "./cli.ts";
import type { Clients } from "./connect.ts";
import { exitCodes } from "./exit-codes.ts";
import { isTerminal } from "./guest-table.ts";
import { ProgressLine } from "./progress-line.ts";

/** Waits until all of them have ended. Sets exit code 1 unless all succeeded. */
const isCutOff: ReadonlySet<string> = new Set(["WATCHER_TOO_SLOW", "WATCHER_STALLED"]);

export async function followGuests(
  cli: Cli,
  clients: Clients,
  guests: readonly GuestView[],
  { eachChange, json }: { readonly eachChange: boolean; readonly json: boolean },
): Promise<void> {
  const latest = new Map(guests.map((guest) => [guest.id, guest]));
  const open = new Set(guests.filter(({ state }) => !isTerminal(state)).map(({ id }) => id));
  const progress = new ProgressLine();
  while (open.size > 0) {
    try {
      for await (const { guest: message } of clients.guests.watch({
        ids: [...open],
        tenant: "",
        changesOnly: false,
      })) {
        if (message === undefined) continue;
        const guest = guestFromProto(message);
        const known = latest.get(guest.id);
        latest.set(guest.id, guest);
        if (isTerminal(guest.state)) open.delete(guest.id);
        if (eachChange && (known?.state !== guest.state || known.reason !== guest.reason)) {
          if (json) cli.printJson(guest);
          else cli.print(`${guest.id}  ${guest.state}  ${guest.reason}`);
        }
        if (!eachChange && !json) progress.show(summary(latest.values()));
        if (open.size === 0) break;
      }
    } catch (thrown) {
      // Cut off for reading too slowly: the next call begins with the present state.
      if (!(thrown instanceof GleanerError && isCutOff.has(thrown.code))) throw thrown;
    }
  }
  progress.end();
  const failed = [...latest.values()].filter(({ state }) => state !== "succeeded");
  if (!eachChange && json) cli.printJson({ ended: [...latest.values()] });
  if (!json) cli.note(summary(latest.values()));
  for (const { id, state, reason } of json ? [] : failed) cli.note(`${id} ${state}: ${reason}`);
  if (failed.length > 0) process.exitCode = exitCodes.failed;
}

/** `3 running, 5 waiting, 2 succeeded of 10`. */
function summary(guests: Iterable<GuestView>): string {
  const counts = new Map<string, number>();
  let total = 0;
  for (const { state } of guests) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
    total += 1;
  }
  return `${[...counts].map(([state, count]) => `${count} ${state}`).join(", ")} of ${total}`;
}
