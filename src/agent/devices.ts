import type { DeviceInfo, DeviceUuid } from "../core/device.ts";
import type { TelemetrySource } from "../telemetry/source.ts";

/** The devices of this host, as its telemetry knows them so far. */
export class Devices {
  readonly #source: TelemetrySource;
  #byUuid: ReadonlyMap<DeviceUuid, DeviceInfo> = new Map();

  constructor(source: TelemetrySource) {
    this.#source = source;
    this.refresh();
  }

  /** True when devices have appeared since the last look. */
  refresh(): boolean {
    const found = this.#source.devices();
    if (found.length === this.#byUuid.size) return false;
    this.#byUuid = new Map(found.map((device) => [device.uuid, device]));
    return true;
  }

  get(uuid: DeviceUuid): DeviceInfo | undefined {
    return this.#byUuid.get(uuid);
  }

  all(): DeviceInfo[] {
    return [...this.#byUuid.values()];
  }
}
