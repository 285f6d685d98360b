import type { GuestSpec as GuestSpecMessage, ProcessTemplate, Shape } from "../../gen/gleaner/v1/guests.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import type { GuestSpec } from "../../core/guest.ts";
import { guestKinds, specFromProto, type GuestDefaults } from "../convert/guest.ts";
import {
  checkCount,
  checkName,
  checkNameOrEmpty,
  checkNoNul,
  checkText,
  checkWithin,
  dayMs,
  grouped,
  quote,
  refuse,
  yearMs,
} from "./fields.ts";

/** What a specification may hold; docs/api.md lists it for people. */
export const specLimits = {
  devicesMax: 64,
  poolsMax: 64,
  labelsMax: 32,
  labelCharactersMax: 128,
  envEntriesMax: 256,
  envBytesMax: 32 * 1024,
  argumentsMax: 1_024,
  commandBytesMax: 64 * 1024,
  pathCharactersMax: 4_096,
  modelCharactersMax: 128,
  memoryMibMax: 16 * 1024 * 1024,
  retriesMax: 1_000,
  evictionsMaxMax: 10_000,
} as const;

const envName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const reservedEnvName = /^(GLEANER_.*|CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES)$/;

/**
 * A specification from outside, checked whole before anything is done with it, with the defaults filled in.
 * `path` is where it stands in the request. Throws INVALID_FIELD, INFERENCE_NOT_SERVED or CONTAINERS_NEED_KUBERNETES.
 */
export function checkSpec(
  message: GuestSpecMessage | undefined,
  path: string,
  absent: GuestDefaults,
  nowMs: number,
): GuestSpec {
  if (message === undefined) refuse(path, "missing");
  checkName(message.tenant, `${path}.tenant`);
  checkNameOrEmpty(message.name, `${path}.name`);
  if (guestKinds.fromOptional(message.kind, `${path}.kind`) === "inference")
    throw new GleanerError("INFERENCE_NOT_SERVED", { field: `${path}.kind` });
  checkWorkload(message.workload, path);
  if (message.shape !== undefined) checkShape(message.shape, `${path}.shape`);
  checkWithin(message.priority, `${path}.priority`, 0, 100);
  checkWithin(message.checkpointIntervalMs, `${path}.checkpoint_interval_ms`, 1, yearMs);
  checkWithin(message.startMs, `${path}.start_ms`, 0, dayMs);
  checkWithin(message.noticeMs, `${path}.notice_ms`, 0, dayMs);
  checkWithin(message.durationHintMs, `${path}.duration_hint_ms`, 1, yearMs);
  checkWithin(message.retries, `${path}.retries`, 0, specLimits.retriesMax);
  checkWithin(message.evictionsMax, `${path}.evictions_max`, 0, specLimits.evictionsMaxMax);
  if (message.notBefore !== undefined) checkNotBefore(message.notBefore, `${path}.not_before`, nowMs);
  checkNameOrEmpty(message.trustGroup, `${path}.trust_group`);
  checkLabels(message.labels, `${path}.labels`);
  return specFromProto(message, absent);
}

function checkWorkload(workload: GuestSpecMessage["workload"], path: string): void {
  switch (workload?.$case) {
    case "process":
      checkProcess(workload.value, `${path}.process`);
      return;
    case "container":
      throw new GleanerError("CONTAINERS_NEED_KUBERNETES", { field: `${path}.container` });
    case undefined:
      refuse(`${path}.process`, "missing; give the command that the guest runs");
  }
}

function checkProcess({ command, env, workingDir }: ProcessTemplate, path: string): void {
  if (command.length === 0 || command[0] === "")
    refuse(`${path}.command`, "empty; its first entry is the program to run");
  checkCount(command.length, `${path}.command`, specLimits.argumentsMax);
  let bytes = 0;
  for (const [index, argument] of command.entries()) {
    checkNoNul(argument, `${path}.command[${index}]`);
    bytes += Buffer.byteLength(argument) + 1;
  }
  checkBytes(bytes, `${path}.command`, specLimits.commandBytesMax);
  checkEnv(env, `${path}.env`);
  if (workingDir === "") return;
  if (!workingDir.startsWith("/"))
    refuse(`${path}.working_dir`, `${quote(workingDir)} is not absolute; begin it with '/'`);
  checkText(workingDir, `${path}.working_dir`, specLimits.pathCharactersMax);
}

function checkEnv(env: Readonly<Record<string, string>>, path: string): void {
  let bytes = 0;
  let entries = 0;
  for (const [name, value] of Object.entries(env)) {
    if (!envName.test(name))
      refuse(`${path}[${quote(name)}]`, "not a variable's name; use letters, digits and '_', no digit first");
    if (reservedEnvName.test(name)) refuse(`${path}[${quote(name)}]`, "is set by Gleaner; leave it out");
    checkNoNul(value, `${path}[${quote(name)}]`);
    bytes += name.length + Buffer.byteLength(value) + 2;
    entries += 1;
  }
  checkCount(entries, path, specLimits.envEntriesMax);
  checkBytes(bytes, path, specLimits.envBytesMax);
}

function checkShape({ devices, share, memoryMib, deviceModel, pools }: Shape, path: string): void {
  checkWithin(devices || undefined, `${path}.devices`, 1, specLimits.devicesMax);
  if (share !== undefined && !(share >= 0.001 && share <= 1))
    refuse(`${path}.share`, `${share} is not within 0.001 and 1; leave it out for whole devices`);
  if (devices > 1 && share !== undefined && share < 1)
    refuse(`${path}.share`, `${devices} devices are lent whole; leave the share out or ask for one device`);
  checkWithin(memoryMib, `${path}.memory_mib`, 1, specLimits.memoryMibMax);
  checkText(deviceModel, `${path}.device_model`, specLimits.modelCharactersMax);
  checkCount(pools.length, `${path}.pools`, specLimits.poolsMax);
  for (const [index, pool] of pools.entries()) checkName(pool, `${path}.pools[${index}]`);
}

function checkNotBefore(notBefore: Date, field: string, nowMs: number): void {
  const atMs = notBefore.getTime();
  if (Number.isNaN(atMs)) refuse(field, "not a time");
  if (atMs > nowMs + yearMs) refuse(field, `${notBefore.toISOString()} is more than a year ahead`);
}

function checkLabels(labels: Readonly<Record<string, string>>, path: string): void {
  const entries = Object.entries(labels);
  checkCount(entries.length, path, specLimits.labelsMax);
  for (const [key, value] of entries) {
    if (key === "") refuse(path, "a label has no key");
    checkText(key, `${path}[${quote(key)}]`, specLimits.labelCharactersMax);
    checkText(value, `${path}[${quote(key)}]`, specLimits.labelCharactersMax);
  }
}

function checkBytes(bytes: number, field: string, bytesMax: number): void {
  if (bytes > bytesMax) refuse(field, `${grouped(bytes)} bytes; at most ${grouped(bytesMax)} are taken`);
}
