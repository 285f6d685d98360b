import type { GuestView } from "../../api/ports.ts";
import { returnRungs, type Report } from "../../report/report.ts";
import { plural } from "../table.ts";

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly seen: string;
}

export interface DemoOutcome {
  readonly report: Report;
  readonly guests: readonly GuestView[];
  /** Command lines of processes that should be gone. */
  readonly processesLeft: readonly string[];
  /** Owners' returns that a run of this length must have served. */
  readonly returnsMin: number;
}

/** What the demonstration promises, looked at afterwards. */
export function checkDemo({ report, guests, processesLeft, returnsMin }: DemoOutcome): Check[] {
  const sums = report.devices.map(({ amounts, elapsedUs }) => {
    const sumUs = amounts.reduce((total, { deviceUs }) => total + deviceUs, 0);
    return sumUs === elapsedUs;
  });
  const { pause, vacate, recall } = report.returnsByRung;
  const served = returnRungs.reduce((total, rung) => total + report.returnsByRung[rung], 0);
  const astray = guests.filter(({ state }) => state !== "succeeded" && state !== "waiting");
  const done = guests.filter(({ state }) => state === "succeeded").length;
  return [
    {
      name: "the books balance: for each device, the categories sum to the elapsed time",
      ok: report.balanced && sums.length > 0 && sums.every(Boolean),
      seen: `${sums.filter(Boolean).length} of ${plural(sums.length, "device")}`,
    },
    {
      name: `at least ${returnsMin} owners' returns were served, by pause, by vacate and by Recall`,
      ok: served >= returnsMin && pause > 0 && vacate > 0 && recall > 0,
      seen: returnRungs.map((rung) => `${rung} ${report.returnsByRung[rung]}`).join(", "),
    },
    {
      name: "every guest is done or back in the queue",
      ok: guests.length > 0 && astray.length === 0,
      seen: `${done} done, ${guests.length - done - astray.length} waiting${astray.map(({ id, state }) => `, ${id} ${state}`).join("")}`,
    },
    {
      name: "no process is left",
      ok: processesLeft.length === 0,
      seen: processesLeft.length === 0 ? "none" : processesLeft.join("; "),
    },
  ];
}
