import { learnedDevices } from "../../src/backtest/policies/learned-devices.ts";
import { replayDevices } from "../../src/backtest/replay/device-replay.ts";
import { defaultDeviceRules, type RecallMode } from "../../src/backtest/rules.ts";
import type { LeaseWatch } from "../../src/backtest/score/device-lease.ts";
import type { DeviceTrace } from "../../src/backtest/trace/device-trace.ts";

const hourS = 3_600;

/** Meetings of guests and owners on a fleet, by the time. */
export class Meetings {
  readonly #timesS: readonly number[];
  readonly #devices: number;
  readonly #hours: number;
  /** GPU-hours that guests had beyond all costs. */
  readonly netHours: number;

  constructor(timesS: readonly number[], devices: number, hours: number, netHours: number) {
    this.#timesS = timesS;
    this.#devices = devices;
    this.#hours = hours;
    this.netHours = netHours;
  }

  /** Of a stretch, hours. */
  perGpuDay(from = 0, to = this.#hours): number {
    const met = this.#timesS.filter((timeS) => timeS >= from * hourS && timeS < to * hourS).length;
    return (met * 24) / (this.#devices * (to - from));
  }

  /** The most in so many hours on end, looked at every quarter of an hour. */
  mostPerGpuDay(hours: number, from = 0): number {
    let most = 0;
    for (let to = from + hours; to <= this.#hours; to += 1 / 4)
      most = Math.max(most, this.perGpuDay(to - hours, to));
    return most;
  }

  /** Hours from a moment on until all since then are, and stay, within a tenth of what was set. */
  hoursUntilHeld(perGpuDaySet: number, from: number): number {
    let held = from;
    for (let to = from + 1 / 4; to <= this.#hours; to += 1 / 4)
      if (Math.abs(this.perGpuDay(from, to) / perGpuDaySet - 1) > 0.1) held = to + 1 / 4;
    return held - from;
  }
}

/** Plays the learned policy; null: no number is set. */
export function playHeld(trace: DeviceTrace, mode: RecallMode, perGpuDayMax: number | null): Meetings {
  const rules = { ...defaultDeviceRules, mode };
  const context = { rules, meetingsPerGpuDayMax: perGpuDayMax, waitedShareMax: null, seed: 1 };
  const endS = trace.timesS.at(-1)! + rules.holdS;
  const utilPct = readings(trace);
  const metS: number[] = [];
  /** A guest's run that ended neither by us, which is on an idle device, nor with the trace. */
  const watch = (device: string): LeaseWatch => ({
    ran(_, toS) {
      const util = utilPct.get(device)!.get(toS);
      const isMet = mode === "kill" ? util !== undefined && util > 0 : util !== 0;
      if (isMet && toS < endS) metS.push(toS);
    },
    ended() {},
  });
  const { tally } = replayDevices(trace, rules, learnedDevices(null, context), () => {}, watch);
  if (tally.meetings !== metS.length) throw new Error(`${tally.meetings} meetings, ${metS.length} seen`);
  return new Meetings(metS, trace.devices.length, endS / hourS, tally.netS / hourS);
}

/** Utilisation by device and time, s. */
function readings(trace: DeviceTrace): Map<string, Map<number, number>> {
  const { devices, timesS, firstRow, device, utilPct } = trace;
  const byDevice = new Map(devices.map((name) => [name, new Map<number, number>()]));
  for (const [moment, timeS] of timesS.entries())
    for (let row = firstRow[moment]!; row < firstRow[moment + 1]!; row++)
      byDevice.get(devices[device[row]!]!)!.set(timeS, utilPct[row]!);
  return byDevice;
}
