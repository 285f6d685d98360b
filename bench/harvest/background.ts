import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseSettings } from "../../src/config/settings.ts";
import { believedCosts, lendingTerms } from "../../src/controller/lending-terms.ts";
import { OwnerForecast } from "../../src/controller/owner-forecast.ts";
import { configuredPolicy } from "../../src/controller/owner-signals.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { BlockMeter } from "../harness/block-meter.ts";
import { SeededRandom } from "../harness/random.ts";
import type { Figures, Section } from "./figures.ts";

const devices = 100_000;
const devicesPerPool = 1_000;
const devicesPerAgent = 8;
const sampleIntervalMs = 15_000;
const sweeps = 3;

/** How long a controller's thread is kept while 100,000 devices' samples come as they do, every 15 s, and the forecast is settled beside them. */
export const background: Section = {
  trace: null,
  targets: { settlingLoopDelayMsP99: { max: 20 } },
  async measure(): Promise<Figures> {
    const settings = parseSettings(
      { telemetry: { sampleIntervalMs, staleMs: 3 * sampleIntervalMs } },
      "bench",
    );
    const costs = believedCosts(settings);
    const rules = {
      termsOf: (pool: string) => lendingTerms(configuredPolicy(settings, pool), costs, settings),
      mayLend: () => true,
    };
    const log = createLogger({ name: "bench", level: "silent" });
    const forecast = new OwnerForecast({ settings, standby: rules, clock: systemClock, log });
    const owners = new Owners();
    const stopping = new AbortController();
    const running = forecast.run(stopping.signal);
    // The first sweep fills the memory, and code is not compiled yet.
    await owners.sweep(forecast);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const meter = new BlockMeter(1);
    delay.enable();
    for (let sweep = 1; sweep < sweeps; sweep++) await owners.sweep(forecast);
    delay.disable();
    const { blockCpuMs } = meter.stop();
    stopping.abort();
    await running;
    return {
      settlingLoopDelayMsP50: delay.percentile(50) / 1e6,
      settlingLoopDelayMsP99: delay.percentile(99) / 1e6,
      settlingBlockCpuMsMax: blockCpuMs,
    };
  },
};

class Owners {
  readonly #random = new SeededRandom(1);
  readonly #busy = new Uint8Array(devices);

  /** One sample of each device, agent by agent, evenly over the interval. */
  async sweep(forecast: OwnerForecast): Promise<void> {
    const beganMs = performance.now();
    for (let first = 0; first < devices; first += devicesPerAgent) {
      for (let index = first; index < first + devicesPerAgent; index++) this.#sample(forecast, index);
      const aheadMs = (first / devices) * sampleIntervalMs - (performance.now() - beganMs);
      // Each agent's message comes by itself, however late.
      await (aheadMs > 1 ? systemClock.sleep(aheadMs) : systemClock.turn());
    }
  }

  #sample(forecast: OwnerForecast, index: number): void {
    const isBusy = this.#random.chance(this.#busy[index] === 1 ? 0.6 : 0.1);
    this.#busy[index] = isBusy ? 1 : 0;
    const device = { uuid: `GPU-${index}`, pool: `pool-${Math.floor(index / devicesPerPool)}` };
    const reading = { utilPct: isBusy ? 50 : 0, memoryUsedMib: 20_000 };
    forecast.observe(device, isBusy ? "busy" : "idle", performance.now(), reading);
  }
}
