import type { DeviceUuid } from "./device.ts";

export interface BlackHoleSettings {
  /** This many different guests … */
  readonly failuresMax: number;
  /** … that failed within this time of their start make a device a black hole. */
  readonly failedWithinMs: number;
  /** Failures further back than this are forgotten. */
  readonly forMs: number;
}

interface Failure {
  readonly guestId: string;
  readonly atMs: number;
}

/** Devices followed at once; those whose latest failure is oldest are forgotten first. */
const devicesMax = 100_000;

/**
 * Finds devices on which guests keep failing at once: such a device is free again at once, so that it would swallow guest after
 * guest. One guest that fails again and again proves nothing about the device; several different ones do.
 */
export class BlackHoleWatch {
  readonly #settings: BlackHoleSettings;
  /** In the order of the latest failure. */
  readonly #failures = new Map<DeviceUuid, Failure[]>();

  constructor(settings: BlackHoleSettings) {
    this.#settings = settings;
  }

  /** A guest ended by itself with a failure after `ranMs`. Answers the reason for a quarantine, or null. */
  failed(
    device: DeviceUuid,
    guestId: string,
    ranMs: number,
    atMs: number,
  ): { readonly reason: string } | null {
    const { failuresMax, failedWithinMs, forMs } = this.#settings;
    if (ranMs > failedWithinMs) return null;
    const recent = (this.#failures.get(device) ?? []).filter(
      (failure) => failure.guestId !== guestId && atMs - failure.atMs < forMs,
    );
    this.#failures.delete(device);
    if (recent.length + 1 >= failuresMax)
      return { reason: `${failuresMax} different guests failed within ${failedWithinMs} ms of their start` };
    this.#failures.set(device, [...recent, { guestId, atMs }]);
    if (this.#failures.size > devicesMax) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    return null;
  }

  /** A guest ran well: whatever failed there before was the guests' own doing. */
  succeeded(device: DeviceUuid): void {
    this.#failures.delete(device);
  }
}
