import type { DeviceRules } from "../backtest/rules.ts";
import { hours, share } from "../backtest/report/policy-tables.ts";
import type { PolicyContext } from "../backtest/policy.ts";
import type { TelemetryTold } from "../backtest/score/telemetry-told.ts";

/** Above it most of the figures rest on little. */
const unknownShareMax = 0.5;

export function telemetryLine({ devices, readings, fromS, toS, stepS, unknownShare }: TelemetryTold): string {
  const every = stepS === null ? "" : `, one each ${Number(stepS.toPrecision(3))} s of a device`;
  return `${devices} devices, ${readings} readings over ${hours(toS - fromS)} h${every}; unknown ${share(unknownShare, 1)} of their time`;
}

/** What a reader must know before they believe the figures. */
export function telemetryNotes({ stepS, unknownShare }: TelemetryTold, { holdS }: DeviceRules): string[] {
  const notes: string[] = [];
  if (stepS !== null && stepS > holdS)
    notes.push(
      `a device's readings lie ${Number(stepS.toPrecision(3))} s apart, and one holds for ${holdS} s: in between nothing is known, and ` +
        `owners' returns are not seen. Figures of meetings say nothing; let readings hold for longer with --hold-s`,
    );
  else if (unknownShare > unknownShareMax)
    notes.push(
      `${share(unknownShare, 1)} of the devices' time nothing is known of their owners (no utilisation, or none that can be read): ` +
        `that is never idle, and nothing is lent in it`,
    );
  return notes;
}

type BacktestShape = "devices" | "pools" | "jobs";
type Limits = Pick<PolicyContext<unknown>, "meetingsPerGpuDayMax" | "waitedShareMax">;

/** What the figures are to be held against; nothing where the owner sets no number. */
export function limitLines(
  shape: BacktestShape,
  { meetingsPerGpuDayMax: meetings, waitedShareMax: waited }: Limits,
): string[] {
  if (shape === "devices")
    return meetings === null ? [] : [`owner's number: at most ${meetings} meetings/GPU-day`];
  return waited === null
    ? []
    : [`owner's number: at most ${share(waited, 1)} of the GPUs that owners take may have a guest on`];
}

/** Owner's numbers that hold nothing here. */
export function limitNotes(
  shape: BacktestShape,
  policies: readonly string[],
  { meetingsPerGpuDayMax, waitedShareMax }: Limits,
): string[] {
  const notes: string[] = [];
  if (shape === "devices" && waitedShareMax !== null)
    notes.push("--waited-share-max is for pools and jobs: it limits nothing here");
  if (shape !== "devices" && meetingsPerGpuDayMax !== null)
    notes.push("--meetings-per-gpu-day-max is for devices: it limits nothing here");
  const held = shape === "devices" ? meetingsPerGpuDayMax : waitedShareMax;
  const others = policies.filter((name) => name.split(":")[0] !== "learned");
  if (held !== null && others.length > 0)
    notes.push(`the owner's number is held by learned alone, not by ${others.join(", ")}`);
  return notes;
}
