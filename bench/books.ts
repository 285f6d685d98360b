import { setTimeout as sleep } from "node:timers/promises";
import type { LedgerEvent } from "../src/core/ledger-event.ts";
import { connectRedis } from "../src/store/connection.ts";
import { LedgerStream } from "../src/store/ledger-stream.ts";
import { AgentPeer } from "../test/support/agent-peer.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { loopback, startStack, type BenchStack } from "./harness/stack.ts";
import { median, quantile } from "./harness/statistics.ts";

const bench: Bench = {
  name: "books",
  summary:
    "How long the books keep the controller's main thread from everything else, owners' recalls included",
  targets: {
    drainBlockCpuMs: { max: 15 },
    reportBlockCpuMs: { max: 15 },
  },
  options: {
    devices: { value: 10_000, help: "devices in the books, as agents told of them" },
    events: { value: 100_000, help: "ledger events that wait in the stream at once" },
    reports: { value: 5, help: "reports over all devices, one after the other" },
  },
  run,
};
export default bench;

const hosts = 100;
const eventsPerBatch = 5_000;

async function run(options: BenchValues) {
  const { devices = 0, events = 0, reports = 0 } = options;
  await using stack = await startStack({
    listen: loopback,
    // The alive events and cycles of the controller itself are not what is measured.
    cycle: { intervalMs: 10_000 },
    telemetry: { sampleIntervalMs: 15_000, staleMs: 3_600_000 },
    policies: [{ pool: "*", mode: "observe" }],
  });
  const peers = await connectPeers(stack, devices);
  const redis = await connectRedis(stack.redis.url, { name: "bench" });
  const stream = new LedgerStream(redis, "default", { streamEntriesMax: 10_000_000 });
  await stack.clients.reports.getReport({ pricePerGpuHour: 0, pool: "" });
  await sleep(1_000); // start-up is over

  await stack.controller.watchLoop();
  await sleep(2_000);
  const quiet = await stack.controller.usage();

  await stack.controller.watchLoop();
  const beganMs = performance.now();
  for (let from = 0; from < events; from += eventsPerBatch)
    await stream.append(
      Array.from({ length: Math.min(eventsPerBatch, events - from) }, (_, i) => ownerEvent(peers, from + i)),
    );
  while ((await stream.length()) > 0) await sleep(5);
  const drainMs = performance.now() - beganMs;
  const drained = await stack.controller.usage();

  await stack.controller.watchLoop();
  const tookMs: number[] = [];
  for (let i = 0; i < reports; i += 1) {
    const askedMs = performance.now();
    const report = await stack.clients.reports.getReport({ pricePerGpuHour: 0, pool: "" });
    tookMs.push(performance.now() - askedMs);
    if (report.devices.length !== devices || !report.balanced) throw new Error("the books do not balance");
  }
  const reported = await stack.controller.usage();

  for (const peer of peers) peer.disconnect();
  redis.disconnect();
  return {
    params: { ...options },
    metrics: {
      quietBlockMs: quiet.blockMs,
      quietBlockCpuMs: quiet.blockCpuMs,
      drainBlockMs: drained.blockMs,
      drainBlockCpuMs: drained.blockCpuMs,
      reportBlockMs: reported.blockMs,
      reportBlockCpuMs: reported.blockCpuMs,
      drainedPerS: (events / drainMs) * 1_000,
      reportMsP50: median(tookMs),
      reportMsMax: quantile(tookMs, 1),
      rssMiB: reported.rssMiB,
    },
  };
}

async function connectPeers({ controller }: BenchStack, devices: number): Promise<AgentPeer[]> {
  const peers = Array.from(
    { length: hosts },
    (_, host) =>
      new AgentPeer({
        host: `host-${host}`,
        pool: `pool-${host % 10}`,
        devices: Array.from({ length: devices / hosts }, (__, i) => `GPU-${host}-${i}`),
      }),
  );
  for (const peer of peers) {
    await peer.connect(controller.address);
    peer.sample(0);
  }
  return peers;
}

/** Owners of all devices come and go in turn. */
function ownerEvent(peers: readonly AgentPeer[], index: number): LedgerEvent {
  const peer = peers[index % peers.length]!;
  const turn = Math.floor(index / peers.length);
  return {
    type: "owner",
    atMs: Date.now(),
    device: peer.devices[turn % peer.devices.length]!,
    state: Math.floor(turn / peer.devices.length) % 2 === 0 ? "busy" : "idle",
    reason: "bench",
  };
}
