import type { DeviceInfo, Sample } from "../../../src/core/device.ts";
import type { TelemetrySource } from "../../../src/telemetry/source.ts";
import type { Life } from "./process.ts";

/** What telemetry says of the owner of a device at a moment: 0–100; null: it says nothing. */
export type OwnerUtilPct = (device: DeviceInfo) => number | null;

/** Samples of one host, as an agent reads them. A device of which telemetry says nothing is left out. */
export function telemetryOf(
  devices: readonly DeviceInfo[],
  life: Life,
  intervalMs: number,
  utilPct: OwnerUtilPct,
  read: (device: string, utilPct: number) => void,
): TelemetrySource {
  return {
    devices: () => devices,
    async *samples(signal) {
      while (!signal.aborted) {
        const batch = devices.flatMap((device): Sample[] => {
          const util = utilPct(device);
          if (util === null) return [];
          read(device.uuid, util);
          return [sampleOf(device, util, life.clock.monotonicMs())];
        });
        if (batch.length > 0) yield batch;
        await life.clock.sleep(intervalMs, signal);
      }
    },
  };
}

function sampleOf(device: DeviceInfo, utilPct: number, atMs: number): Sample {
  return {
    device: device.uuid,
    atMs,
    attribution: "owner",
    utilPct,
    engineActiveRatio: utilPct / 100,
    memoryUsedMib: 0,
    memoryFreeMib: device.memoryTotalMib,
    ownerProcesses: null,
    pod: null,
  };
}
