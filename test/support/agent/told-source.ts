import type { DeviceInfo, Sample } from "../../../src/core/device.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import type { TelemetrySource } from "../../../src/telemetry/source.ts";

/** Telemetry that says what the test tells it to. */
export class ToldSource implements TelemetrySource {
  readonly #devices: DeviceInfo[];
  readonly #batches = new Channel<readonly Sample[]>(10_000);

  constructor(uuids: readonly string[], pool = "research", host = "lab-1") {
    this.#devices = uuids.map((uuid, index) => ({
      uuid,
      host,
      pool,
      model: "NVIDIA H100 80GB HBM3",
      index,
      memoryTotalMib: 81_559,
    }));
  }

  devices(): readonly DeviceInfo[] {
    return this.#devices;
  }

  async *samples(signal: AbortSignal): AsyncGenerator<readonly Sample[]> {
    const leave = () => this.#batches.close();
    signal.addEventListener("abort", leave, { once: true });
    yield* this.#batches;
  }

  /** One reading of each device named, by default of all; `null`: the reading is missing. */
  tell(utilPct: number | null, uuids = this.#devices.map(({ uuid }) => uuid)): void {
    const atMs = performance.now();
    this.#batches.push(
      uuids.map((device) => ({
        device,
        atMs,
        attribution: "owner",
        utilPct,
        engineActiveRatio: null,
        memoryUsedMib: 0,
        memoryFreeMib: 81_559,
        ownerProcesses: null,
        pod: null,
      })),
    );
  }
}
