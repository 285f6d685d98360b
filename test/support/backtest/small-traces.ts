import { DeviceTraceBuilder, type DeviceTrace } from "../../../src/backtest/trace/device-trace.ts";

/** Readings each minute for some hours: owners come at times that differ by device, one device falls silent, another begins late. */
export function smallDeviceTrace(devices: readonly string[], pool: string, minutes = 240): DeviceTrace {
  const trace = new DeviceTraceBuilder();
  for (let minute = 0; minute < minutes; minute++)
    for (const [index, device] of devices.entries()) {
      if (index === 1 && minute > 90 && minute < 120) continue;
      if (index === 2 && minute < 30) continue;
      const busy = (minute + 7 * index) % (20 + 5 * index) < 6;
      trace.add(60 * minute, device, pool, busy ? 80 : 0, busy ? 9_000 : 400);
    }
  return trace.build();
}
