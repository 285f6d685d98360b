import { randomUUID } from "node:crypto";
import { type Clients, connectClients } from "../api/client.ts";
import type { Logger } from "../runtime/log.ts";
import type { Disk } from "./disk/disk.ts";
import { systemDisk } from "./disk/system-disk.ts";
import { type HostClock, systemHostClock } from "./host-clock.ts";
import { launch, type LaunchPlan } from "./launch/launch.ts";
import { type AttemptLog, GuestLog } from "./log/guest-log.ts";
import { detectRuntime } from "./runtime/detect.ts";
import { type ProcessGroup, type Runtime, type RuntimeKind, signalIfAlive } from "./runtime/process-group.ts";

/** All that an agent touches outside itself. The simulator has machines of its own. */
export interface Machine {
  readonly clock: HostClock;
  readonly disk: Disk;
  /** Of the agent itself. */
  readonly pid: number;
  /** `name` is the agent's, unique on the host. Throws RUNTIME_UNAVAILABLE. */
  openRuntime(wanted: RuntimeKind | "auto", name: string, logger: Logger): Runtime;
  /** Throws LAUNCH_FAILED; then nothing runs. */
  launch(plan: LaunchPlan, group: ProcessGroup, ended: () => void): void;
  signal(pid: number, signal: NodeJS.Signals): void;
  openLog(dir: string, bytesMax: number): AttemptLog;
  connect(address: string): Pick<Clients, "agents" | "close">;
  newId(): string;
  /** In [0, 1). */
  random(): number;
}

export function systemMachine(): Machine {
  return {
    clock: systemHostClock(),
    disk: systemDisk(),
    pid: process.pid,
    openRuntime: detectRuntime,
    launch,
    signal: signalIfAlive,
    openLog: (dir, bytesMax) => new GuestLog(dir, bytesMax),
    connect: connectClients,
    newId: randomUUID,
    random: Math.random,
  };
}
