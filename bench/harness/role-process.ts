import { constants, PerformanceObserver } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { parseSettings } from "../../src/config/settings.ts";
import type { DeviceInfo, Sample } from "../../src/core/device.ts";
import { Channel } from "../../src/runtime/channel.ts";
import { createLogger } from "../../src/runtime/log.ts";
import type { TelemetrySource } from "../../src/telemetry/source.ts";
import { BlockMeter } from "./block-meter.ts";
import type { Role } from "./stack.ts";

/** A source that reads what the bench says, at its interval; a change is read at once. */
class ToldSource implements TelemetrySource {
  readonly #infos: readonly DeviceInfo[];
  readonly #intervalMs: number;
  readonly #util = new Map<string, number>();
  readonly #changes = new Channel<readonly string[]>(10_000);

  constructor(host: string, devices: readonly string[], intervalMs: number) {
    this.#infos = devices.map((uuid, index) => ({
      uuid,
      host,
      pool: "bench",
      model: "bench",
      index,
      memoryTotalMib: 49_152,
    }));
    this.#intervalMs = intervalMs;
  }

  set(devices: readonly string[], utilPct: number): void {
    for (const device of devices) this.#util.set(device, utilPct);
    this.#changes.push(devices);
  }

  devices(): readonly DeviceInfo[] {
    return this.#infos;
  }

  async *samples(signal: AbortSignal): AsyncIterable<readonly Sample[]> {
    const all = this.#infos.map(({ uuid }) => uuid);
    void (async () => {
      while (!signal.aborted) {
        this.#changes.push(all);
        await sleep(this.#intervalMs, undefined, { signal }).catch(() => {});
      }
      this.#changes.close();
    })();
    for await (const devices of this.#changes) yield devices.map((device) => this.#sample(device));
  }

  #sample(device: string): Sample {
    return {
      device,
      atMs: performance.now(),
      attribution: "owner",
      utilPct: this.#util.get(device) ?? 0,
      engineActiveRatio: null,
      memoryUsedMib: 1_024,
      memoryFreeMib: null,
      ownerProcesses: null,
      pod: null,
    };
  }
}

/** MiB right after the last full collection: what is held, without what only waits to be collected. NaN before the first. */
let heldMiB = Number.NaN;
new PerformanceObserver((list) => {
  const kinds = list
    .getEntries()
    .map((entry) => (entry as unknown as { detail: { kind: number } }).detail.kind);
  const wasFull = kinds.includes(constants.NODE_PERFORMANCE_GC_MAJOR);
  if (wasFull) heldMiB = process.memoryUsage().heapUsed / 2 ** 20;
}).observe({ entryTypes: ["gc"] });

let stop = async () => {};
let source: ToldSource | null = null;
/** Only when it is asked for: it costs processor time. */
let blocks: BlockMeter | null = null;

type Message = Role | "usage" | "watchLoop" | "stop" | { devices: string[]; utilPct: number };

// The bench was killed: nobody would ever stop us.
process.on("disconnect", () => process.exit(1));
process.on("message", (message: Message) => {
  if (message === "usage") {
    const { user, system } = process.cpuUsage();
    process.send?.({
      cpuMs: (user + system) / 1_000,
      rssMiB: process.memoryUsage.rss() / 2 ** 20,
      heldMiB,
      ...(blocks?.stop() ?? { blockMs: 0, blockCpuMs: 0 }),
    });
  } else if (message === "watchLoop") {
    blocks = new BlockMeter(1);
    process.send?.({});
  } else if (message === "stop") {
    void stop().finally(() => process.exit(0));
  } else if ("utilPct" in message) {
    source?.set(message.devices, message.utilPct);
  } else {
    void start(message);
  }
});

async function start(role: Role): Promise<void> {
  // Each role loads only its own part, so that its memory is what it is in production.
  if (role.role === "echo") {
    const { startEchoServer } = await import("./echo-server.ts");
    process.send?.({ address: await startEchoServer() });
    return;
  }
  if (role.role === "peers") {
    const { startPeers } = await import("./peers.ts");
    const peers = await startPeers(role);
    stop = () => peers.stop();
    process.send?.({ address: "" });
    return;
  }
  const logger = createLogger({ name: role.role, level: "error" });
  const settings = parseSettings(role.settings, "bench");
  const { dataDir } = role;
  if (role.role === "controller") {
    const { startController } = await import("../../src/controller/controller.ts");
    const controller = await startController({
      settings,
      dataDir,
      redisUrl: role.redisUrl,
      logger,
      version: "bench",
    });
    // Nobody starts it again here: what follows would be measured without it.
    controller.lost.addEventListener("abort", () => {
      throw controller.lost.reason;
    });
    stop = () => controller.stop();
    process.send?.({ address: controller.apiAddress });
    return;
  }
  const { host, controllerAddress } = role;
  source = new ToldSource(host, role.devices, role.sampleIntervalMs);
  const { runAgent } = await import("../../src/agent/agent.ts");
  const agent = await runAgent({
    agentId: host,
    host,
    dataDir,
    controllerAddress: controllerAddress.split(","),
    recallListen: null,
    source,
    settings,
    logger,
    signal: new AbortController().signal,
  });
  stop = () => agent.stop({ vacate: true });
  process.send?.({ address: agent.recallAddress });
}
