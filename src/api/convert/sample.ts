import type { Attribution, DeviceInfo, Sample } from "../../core/device.ts";
import * as wire from "../../gen/gleaner/v1/agents.ts";
import { whole } from "./numbers.ts";
import { wordMap } from "./words.ts";

export const attributions = wordMap<Attribution, wire.Attribution>({
  owner: wire.Attribution.OWNER,
  device: wire.Attribution.DEVICE,
});

/** Only the age travels, so that the clocks of two processes need not agree. `nowMs` is on the clock of `atMs`. */
export function sampleToProto(sample: Sample, nowMs: number): wire.DeviceSample {
  return {
    device: sample.device,
    ageMs: whole(nowMs - sample.atMs),
    attribution: attributions.toWire(sample.attribution),
    utilPct: sample.utilPct ?? undefined,
    engineActiveRatio: sample.engineActiveRatio ?? undefined,
    memoryUsedMib: sample.memoryUsedMib ?? undefined,
    memoryFreeMib: sample.memoryFreeMib ?? undefined,
    ownerProcesses: sample.ownerProcesses ?? undefined,
    pod: sample.pod ?? "",
  };
}

/** `nowMs`: the receiver's clock at the arrival. */
export function sampleFromProto(message: wire.DeviceSample, nowMs: number): Sample {
  return {
    device: message.device,
    atMs: nowMs - message.ageMs,
    attribution: attributions.fromWire(message.attribution, "samples.attribution"),
    utilPct: message.utilPct ?? null,
    engineActiveRatio: message.engineActiveRatio ?? null,
    memoryUsedMib: message.memoryUsedMib ?? null,
    memoryFreeMib: message.memoryFreeMib ?? null,
    ownerProcesses: message.ownerProcesses ?? null,
    pod: message.pod || null,
  };
}

export function deviceToProto(device: DeviceInfo): wire.DeviceDescription {
  return {
    uuid: device.uuid,
    index: device.index,
    pool: device.pool,
    model: device.model,
    memoryTotalMib: device.memoryTotalMib === null ? 0 : whole(device.memoryTotalMib),
  };
}

export function deviceFromProto(message: wire.DeviceDescription, host: string): DeviceInfo {
  return {
    uuid: message.uuid,
    host,
    pool: message.pool,
    model: message.model,
    index: message.index,
    memoryTotalMib: message.memoryTotalMib || null,
  };
}
