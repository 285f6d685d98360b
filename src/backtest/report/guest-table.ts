import type { DeviceBacktest } from "../backtest-devices.ts";
import { hours, ratio, type Figures } from "./policy-tables.ts";

/** Of a finite queue; null: it was saturated. */
export function guestTable({ results }: DeviceBacktest): Figures | null {
  const rows = results.flatMap(({ name, guests, tally }) =>
    guests === null
      ? []
      : [
          [
            name,
            `${guests.done} of ${guests.guests}`,
            ...[guests.completion, guests.wait].flatMap(({ meanS, p50S, p99S }) =>
              [meanS, p50S, p99S].map(minutes),
            ),
            (ratio(guests.evictions, guests.guests) ?? 0).toFixed(2),
            hours(guests.usefulS),
            hours(guests.lostS),
            String(tally.meetings),
          ],
        ],
  );
  return rows.length === 0 ? null : { head, rows };
}

const head = [
  "policy",
  "guests done",
  "completion min",
  "p50",
  "p99",
  "wait min",
  "p50",
  "p99",
  "evictions/guest",
  "useful GPU-h",
  "lost GPU-h",
  "meetings",
];

function minutes(seconds: number): string {
  return (seconds / 60).toFixed(1);
}
