import type { DeviceInfo, Sample } from "../core/device.ts";

/** Where samples come from: a replayed trace, dcgm-exporter text, later NVML and Prometheus. */
export interface TelemetrySource {
  /** The devices that this source speaks of, as known so far; grows when new ones appear. */
  devices(): readonly DeviceInfo[];
  /**
   * Batches of samples as they come, until the signal aborts or the source ends. `atMs` is on the process's monotonic clock.
   * A source that cannot read something leaves it out and logs why: it never throws for bad telemetry, and never invents a 0.
   */
  samples(signal: AbortSignal): AsyncIterable<readonly Sample[]>;
}
