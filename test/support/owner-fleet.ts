import { DeviceTraceBuilder, type DeviceTrace } from "../../src/backtest/trace/device-trace.ts";
import { seeded } from "../../src/backtest/seeded.ts";

/** What befalls a fleet beside its owners' usual ways. Hours since the trace's start, minutes of idle age. */
export interface Mishaps {
  /** Times the usual hazard. */
  readonly hazardFactor?: (hour: number) => number;
  /** Each idle device's owner is back at this minute with so much chance, beside the usual. */
  readonly burstChance?: (minute: number) => number;
  /** A deploy of pool `a` is under way: its owners come again and again, each time for a minute. */
  readonly isDeploying?: (hour: number) => boolean;
  /** The reading is missing. */
  readonly isLost?: (device: number, hour: number, random: () => number) => boolean;
}

export interface OwnerFleet extends Mishaps {
  readonly devices: number;
  readonly hours: number;
  readonly seed: number;
}

const deployReturnChance = 0.4;
const busyEndChance = 1 / 3;

/** P(the owner of a device is back within a minute), by minutes of idle age: often at once, seldom after half an hour. */
function usualHazard(device: number, ageMinutes: number): number {
  return (0.6 + 0.4 * (device % 3)) * (0.02 + 0.25 * Math.exp(-ageMinutes / 6));
}

/** A reading each minute of devices in pools `a` and `b`, whose owners come back by a known hazard. */
export function ownerFleet(fleet: OwnerFleet): DeviceTrace {
  const { devices, hours, seed } = fleet;
  const { hazardFactor = () => 1, burstChance = () => 0, isDeploying = () => false } = fleet;
  const { isLost = () => false } = fleet;
  const random = seeded(seed);
  const isBusy = Array.from({ length: devices }, () => false);
  const sinceMinute = Array.from({ length: devices }, () => 0);
  const trace = new DeviceTraceBuilder();
  for (let minute = 0; minute < hours * 60; minute++) {
    const hour = minute / 60;
    for (let device = 0; device < devices; device++) {
      const pool = device % 2 === 0 ? "a" : "b";
      const deploys = pool === "a" && isDeploying(hour);
      const usual = hazardFactor(hour) * usualHazard(device, minute - sinceMinute[device]!);
      const back = Math.max(usual, burstChance(minute), deploys ? deployReturnChance : 0);
      const turns = random() < (isBusy[device] ? (deploys ? 1 : busyEndChance) : back);
      if (turns) [isBusy[device], sinceMinute[device]] = [!isBusy[device], minute];
      if (isLost(device, hour, random)) continue;
      trace.add(minute * 60, `${pool}${device}`, pool, isBusy[device] ? 40 : 0, 20_000);
    }
  }
  return trace.build();
}
