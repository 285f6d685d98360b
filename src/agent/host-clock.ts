import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { systemClock, type Clock } from "../runtime/clock.ts";

/**
 * The agent's clock. `nowMs` are ms since the host's boot, running on while the host sleeps, and the same for an agent that
 * was restarted.
 */
export interface HostClock extends Clock {
  /** Times of another boot mean nothing in this one. */
  readonly bootId: string;
  nowMs(): number;
  /** A time of the process's own monotonic clock, on this one. */
  fromProcessMs(monotonicMs: number): number;
  /** Catches up with a sleep of the host; to be called at an interval. Never goes back. */
  refresh(): void;
  close(): void;
}

/** Between two looks at /proc/uptime it follows the process's monotonic clock, which is finer but stops in sleep. */
export function systemHostClock(): HostClock {
  const uptimeFd = openSync("/proc/uptime", "r");
  const buffer = Buffer.alloc(64);
  const uptimeMs = () => {
    const bytes = readSync(uptimeFd, buffer, 0, buffer.length, 0);
    return Number.parseFloat(buffer.toString("latin1", 0, bytes)) * 1_000;
  };
  let offsetMs = uptimeMs() - systemClock.monotonicMs();
  const nowMs = () => systemClock.monotonicMs() + offsetMs;
  return {
    ...systemClock,
    bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    nowMs,
    fromProcessMs: (monotonicMs) => monotonicMs + offsetMs,
    refresh: () => {
      const aheadMs = uptimeMs() - nowMs();
      if (aheadMs > uptimeStepMs) offsetMs += aheadMs;
    },
    close: () => closeSync(uptimeFd),
  };
}

/** /proc/uptime is told in hundredths of a second. */
const uptimeStepMs = 20;
