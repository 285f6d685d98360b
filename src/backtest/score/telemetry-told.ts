import type { DeviceRules } from "../rules.ts";
import type { DeviceTrace } from "../trace/device-trace.ts";
import { OwnerTimeline } from "./owner-timeline.ts";

/** What a trace tells of its devices at all. */
export interface TelemetryTold {
  readonly devices: number;
  readonly readings: number;
  readonly fromS: number;
  readonly toS: number;
  /** Median time between two readings of one device, s; null: none has two. */
  readonly stepS: number | null;
  /** The part of the devices' time in which the rules know nothing of the owner. */
  readonly unknownShare: number;
}

/** Steps from which the median is taken: the first. */
const stepsMax = 100_000;

export function telemetryTold(trace: DeviceTrace, rules: DeviceRules): TelemetryTold {
  const { devices, timesS, firstRow, device, utilPct, memoryUsedMib } = trace;
  const endS = timesS.at(-1)! + rules.holdS;
  const unknown = new UnknownTime();
  const timelines = devices.map(
    (name) => new OwnerTimeline(rules, (atS, owner) => unknown.turn(name, atS, owner === "unknown")),
  );
  const lastS = new Float64Array(devices.length).fill(NaN);
  const stepsS: number[] = [];
  for (const [moment, timeS] of timesS.entries())
    for (let row = firstRow[moment]!; row < firstRow[moment + 1]!; row++) {
      const index = device[row]!;
      if (!Number.isNaN(lastS[index]!) && stepsS.length < stepsMax) stepsS.push(timeS - lastS[index]!);
      lastS[index] = timeS;
      timelines[index]!.sample(timeS, utilPct[row]!, memoryUsedMib[row]!);
    }
  for (const timeline of timelines) timeline.finish(endS);
  const steps = Float64Array.from(stepsS).toSorted();
  return {
    devices: devices.length,
    readings: device.length,
    fromS: timesS[0]!,
    toS: timesS.at(-1)!,
    stepS: steps[Math.floor(steps.length / 2)] ?? null,
    unknownShare: unknown.shareUpTo(endS),
  };
}

/** Adds up over devices how long nothing was known, of the time since each was first there. */
class UnknownTime {
  readonly #beganS = new Map<string, number>();
  readonly #unknownFromS = new Map<string, number>();
  #unknownS = 0;

  turn(device: string, atS: number, isUnknown: boolean): void {
    if (!this.#beganS.has(device)) this.#beganS.set(device, atS);
    const fromS = this.#unknownFromS.get(device);
    if (isUnknown && fromS === undefined) this.#unknownFromS.set(device, atS);
    if (isUnknown || fromS === undefined) return;
    this.#unknownS += atS - fromS;
    this.#unknownFromS.delete(device);
  }

  shareUpTo(endS: number): number {
    let unknownS = this.#unknownS;
    let allS = 0;
    for (const fromS of this.#unknownFromS.values()) unknownS += endS - fromS;
    for (const beganS of this.#beganS.values()) allS += endS - beganS;
    return unknownS / allS;
  }
}
