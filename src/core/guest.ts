import type { DeviceUuid } from "./device.ts";

export type GuestKind = "batch" | "inference";

export type TerminalGuestState = "succeeded" | "failed" | "cancelled";
export type GuestState = "waiting" | "starting" | "running" | "paused" | "vacating" | TerminalGuestState;

/** Which devices a guest needs. */
export interface Shape {
  /** Whole devices on one host, all or none. More than 1 only with share 1. */
  readonly devices: number;
  /** Thousandths of a device, 1–1000: an integer, so that shares sum exactly. */
  readonly sharePermille: number;
  /** On each device; null: as much as the share is of the device. */
  readonly memoryMib: number | null;
  /** Empty: any. */
  readonly model: string;
  /** Empty: any. */
  readonly pools: readonly string[];
}

/** How a guest runs as a process on a host. */
export interface ProcessTemplate {
  readonly kind: "process";
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Empty: the attempt's own directory. */
  readonly workingDir: string;
}

export interface ContainerTemplate {
  readonly kind: "container";
  readonly image: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a submitter asks for, checked and with defaults filled in. */
export interface GuestSpec {
  readonly tenant: string;
  readonly name: string;
  readonly kind: GuestKind;
  readonly workload: ProcessTemplate | ContainerTemplate;
  readonly shape: Shape;
  /** 0–100, higher first within the tenant. */
  readonly priority: number;
  /** null: the guest is told an interval at its start. */
  readonly checkpointIntervalMs: number | null;
  readonly startMs: number;
  readonly noticeMs: number;
  readonly durationHintMs: number | null;
  readonly retries: number;
  readonly evictionsMax: number;
  /** Wall clock; null: at once. */
  readonly notBeforeMs: number | null;
  readonly trustGroup: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A guest as the matcher sees it: at the head of the queue, waiting. */
export interface WaitingGuest {
  readonly id: string;
  /** Order of acceptance in the zone; ties of priority are broken by it (oldest first). */
  readonly sequence: number;
  readonly spec: GuestSpec;
  readonly waitingSinceMs: number;
  readonly evictions: number;
  /** Work already checkpointed, device-independent, ms; shortens what is left of durationHintMs. */
  readonly workedMs: number;
}

/** A part of one device that a lease holds. */
export interface Grant {
  readonly device: DeviceUuid;
  readonly sharePermille: number;
  readonly memoryMib: number;
}
