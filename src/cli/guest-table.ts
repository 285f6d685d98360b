import type { GuestState } from "../core/guest.ts";
import type { GuestView } from "../api/ports.ts";
import type { Colors } from "./cli.ts";
import { formatDuration } from "./duration.ts";
import { clip, table } from "./table.ts";

export const guestStateNames = [
  "waiting",
  "starting",
  "running",
  "paused",
  "vacating",
  "succeeded",
  "failed",
  "cancelled",
] as const satisfies readonly GuestState[];

export function isTerminal(state: GuestState): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

/** The guests as `gleaner jobs` shows them. */
export function guestTable(paint: Colors, guests: readonly GuestView[], nowMs: number): string {
  return table(
    paint,
    ["ID", "TENANT", "NAME", "STATE", "SHAPE", "AGE", "RUNS", "EVICTED", "USEFUL", "WHERE OR WHY"],
    guests.map((guest) => [
      guest.id,
      clip(guest.spec.tenant, 16),
      clip(guest.spec.name || "-", 20),
      guest.cancelling ? paint.yellow("cancelling") : paintState(paint, guest.state),
      shapeOf(guest),
      formatDuration(Math.max(0, nowMs - guest.submittedAtMs)),
      String(guest.attempts),
      String(guest.evictions),
      formatDuration(guest.usefulDeviceMs),
      clip(guest.devices.length > 0 ? `${guest.host}: ${guest.devices.join(", ")}` : guest.reason, 70),
    ]),
  );
}

export function paintState(paint: Colors, state: GuestState): string {
  switch (state) {
    case "running":
    case "succeeded":
      return paint.green(state);
    case "failed":
      return paint.red(state);
    case "paused":
    case "vacating":
      return paint.yellow(state);
    case "waiting":
    case "starting":
    case "cancelled":
      return state;
  }
}

/** `1`, `2`, `0.25 of 1`. */
function shapeOf({ spec: { shape } }: GuestView): string {
  return shape.sharePermille < 1_000 ? `${shape.sharePermille / 1_000} of 1` : String(shape.devices);
}
