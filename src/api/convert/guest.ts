import { defaults } from "../../config/defaults.ts";
import type { GuestKind, GuestSpec, GuestState } from "../../core/guest.ts";
import * as wire from "../../gen/gleaner/v1/guests.ts";
import type { GuestView } from "../ports.ts";
import { dateOrUnset, msOrNull, whole } from "./numbers.ts";
import { shapeFromProto, shapeToProto } from "./shape.ts";
import { wordMap } from "./words.ts";

export const guestKinds = wordMap<GuestKind, wire.GuestKind>({
  batch: wire.GuestKind.BATCH,
  inference: wire.GuestKind.INFERENCE,
});

export const guestStates = wordMap<GuestState, wire.GuestState>({
  waiting: wire.GuestState.WAITING,
  starting: wire.GuestState.STARTING,
  running: wire.GuestState.RUNNING,
  paused: wire.GuestState.PAUSED,
  vacating: wire.GuestState.VACATING,
  succeeded: wire.GuestState.SUCCEEDED,
  failed: wire.GuestState.FAILED,
  cancelled: wire.GuestState.CANCELLED,
});

/** What a specification gets for the numbers it leaves out. */
export interface GuestDefaults {
  readonly priority: number;
  readonly startMs: number;
  readonly noticeMs: number;
  readonly retries: number;
  readonly evictionsMax: number;
}

export function specToProto(spec: GuestSpec): wire.GuestSpec {
  return {
    tenant: spec.tenant,
    name: spec.name,
    kind: guestKinds.toWire(spec.kind),
    workload: workloadToProto(spec.workload),
    shape: shapeToProto(spec.shape),
    priority: spec.priority,
    checkpointIntervalMs: spec.checkpointIntervalMs ?? undefined,
    startMs: spec.startMs,
    noticeMs: spec.noticeMs,
    durationHintMs: spec.durationHintMs ?? undefined,
    retries: spec.retries,
    evictionsMax: spec.evictionsMax,
    notBefore: dateOrUnset(spec.notBeforeMs),
    trustGroup: spec.trustGroup,
    labels: { ...spec.labels },
  };
}

/** Fills in the defaults; `check/spec.ts` refuses what must not come this far. */
export function specFromProto(message: wire.GuestSpec, absent: GuestDefaults = defaults.guest): GuestSpec {
  return {
    tenant: message.tenant,
    name: message.name,
    kind: guestKinds.fromOptional(message.kind, "spec.kind") ?? "batch",
    workload: workloadFromProto(message.workload),
    shape: shapeFromProto(message.shape),
    priority: message.priority ?? absent.priority,
    checkpointIntervalMs: message.checkpointIntervalMs ?? null,
    startMs: message.startMs ?? absent.startMs,
    noticeMs: message.noticeMs ?? absent.noticeMs,
    durationHintMs: message.durationHintMs ?? null,
    retries: message.retries ?? absent.retries,
    evictionsMax: message.evictionsMax ?? absent.evictionsMax,
    notBeforeMs: msOrNull(message.notBefore),
    trustGroup: message.trustGroup || message.tenant,
    labels: message.labels,
  };
}

export function guestToProto(guest: GuestView): wire.Guest {
  return {
    id: guest.id,
    spec: specToProto(guest.spec),
    state: guestStates.toWire(guest.state),
    reason: guest.reason,
    submittedAt: new Date(guest.submittedAtMs),
    sequence: guest.sequence,
    attempts: guest.attempts,
    failures: guest.failures,
    evictions: guest.evictions,
    leaseId: guest.leaseId,
    host: guest.host,
    devices: [...guest.devices],
    exitCode: guest.exitCode ?? undefined,
    endedAt: dateOrUnset(guest.endedAtMs),
    usefulDeviceMs: whole(guest.usefulDeviceMs),
    lostDeviceMs: whole(guest.lostDeviceMs),
    cancelling: guest.cancelling,
  };
}

export function guestFromProto(message: wire.Guest): GuestView {
  return {
    id: message.id,
    spec: specFromProto(message.spec ?? wire.GuestSpec.create()),
    state: guestStates.fromWire(message.state, "guest.state"),
    reason: message.reason,
    submittedAtMs: msOrNull(message.submittedAt) ?? 0,
    sequence: message.sequence,
    attempts: message.attempts,
    failures: message.failures,
    evictions: message.evictions,
    leaseId: message.leaseId,
    host: message.host,
    devices: message.devices,
    exitCode: message.exitCode ?? null,
    endedAtMs: msOrNull(message.endedAt),
    usefulDeviceMs: message.usefulDeviceMs,
    lostDeviceMs: message.lostDeviceMs,
    cancelling: message.cancelling,
  };
}

function workloadToProto(workload: GuestSpec["workload"]): wire.GuestSpec["workload"] {
  const command = [...workload.command];
  const env = { ...workload.env };
  return workload.kind === "process"
    ? { $case: "process", value: { command, env, workingDir: workload.workingDir } }
    : { $case: "container", value: { image: workload.image, command, env } };
}

function workloadFromProto(message: wire.GuestSpec["workload"]): GuestSpec["workload"] {
  switch (message?.$case) {
    case "process":
      return { kind: "process", ...message.value };
    case "container":
      return { kind: "container", ...message.value };
    case undefined:
      return { kind: "process", command: [], env: {}, workingDir: "" };
  }
}
