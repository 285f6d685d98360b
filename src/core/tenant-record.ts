import type { DeviceUuid } from "./device.ts";

/** How guests of one tenant fared on one device. Times of any one clock, ms. */
interface Fared {
  readonly host: string;
  /** null: none runs. */
  readonly runsSinceMs: number | null;
  /** When the latest that ran well started there; null: none did since one failed. */
  readonly wellSinceMs: number | null;
  /** null: none failed at once since one ran well. */
  readonly failedAtMs: number | null;
}

const unknown = { runsSinceMs: null, wellSinceMs: null, failedAtMs: null };

/** Devices that a tenant is remembered on; those where something happened last are kept. */
const devicesMax = 64;

/** How guests of one tenant fare on the devices that they are lent, lately: what its failures on one of them compare with. */
export class TenantRecord {
  readonly #fared = new Map<DeviceUuid, Fared>();

  began(device: DeviceUuid, host: string, atMs: number): void {
    this.#note(device, host, { runsSinceMs: atMs });
  }

  ranWell(device: DeviceUuid, host: string, startedAtMs: number): void {
    this.#note(device, host, { runsSinceMs: null, wellSinceMs: startedAtMs, failedAtMs: null });
  }

  failedAtOnce(device: DeviceUuid, host: string, atMs: number): void {
    this.#note(device, host, { runsSinceMs: null, wellSinceMs: null, failedAtMs: atMs });
  }

  /** It ended in a way that says nothing of the device. */
  left(device: DeviceUuid, host: string): void {
    this.#note(device, host, { runsSinceMs: null });
  }

  /**
   * On how many other devices a guest that started since `sinceMs` ran well, or runs for longer than `atOnceMs`; and on how
   * many of other hosts one failed at once in the last `forMs`.
   */
  elsewhere(
    than: { readonly device: DeviceUuid; readonly host: string },
    at: {
      readonly sinceMs: number;
      readonly nowMs: number;
      readonly atOnceMs: number;
      readonly forMs: number;
    },
  ): { readonly well: number; readonly failed: number } {
    let well = 0;
    let failed = 0;
    for (const [device, { host, runsSinceMs, wellSinceMs, failedAtMs }] of this.#fared) {
      if (device === than.device) continue;
      const runsWell =
        runsSinceMs !== null && runsSinceMs >= at.sinceMs && at.nowMs - runsSinceMs > at.atOnceMs;
      if (runsWell || (wellSinceMs !== null && wellSinceMs >= at.sinceMs)) well += 1;
      else if (host !== than.host && failedAtMs !== null && at.nowMs - failedAtMs < at.forMs) failed += 1;
    }
    return { well, failed };
  }

  #note(device: DeviceUuid, host: string, news: Partial<Fared>): void {
    const fared = { ...(this.#fared.get(device) ?? unknown), ...news, host };
    this.#fared.delete(device);
    this.#fared.set(device, fared);
    if (this.#fared.size <= devicesMax) return;
    const [oldest] = this.#fared.keys();
    if (oldest !== undefined) this.#fared.delete(oldest);
  }
}
