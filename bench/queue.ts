import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue } from "bullmq";
import { parseSettings } from "../src/config/settings.ts";
import type { GuestSpec } from "../src/core/guest.ts";
import { openGuestQueue, type GuestQueue } from "../src/queue/guest-queue.ts";
import { connectRedis } from "../src/store/connection.ts";
import { startRedisServer } from "../src/store/redis-server.ts";
import { median } from "./harness/statistics.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { inParallel } from "./harness/in-parallel.ts";

const bench: Bench = {
  name: "queue",
  summary: "The guest queue's submissions against raw BullMQ on the same Redis, in alternating rounds",
  targets: { queueBatchRatio: { min: 0.7 }, queueUnaryRatio: { min: 0.4 } },
  options: {
    rounds: { value: 15, help: "measured rounds of each kind; medians are shown" },
    batch: { value: 500, help: "guests in one batch" },
    inFlight: { value: 64, help: "unary submissions at a time" },
    unary: { value: 2_000, help: "unary submissions in one round" },
    lanes: { value: 5, help: "shapes among which the guests are spread" },
  },
  run,
};
export default bench;

async function run({ rounds = 0, batch = 0, inFlight = 0, unary = 0, lanes = 0 }: BenchValues) {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-bench-"));
  using _dir = { [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
  await using server = await startRedisServer({ dir });
  const redis = await connectRedis(server.url, { name: "bench" });
  const raw = new Queue("raw", { connection: redis, prefix: "{raw}" });
  await raw.waitUntilReady();
  const settings = parseSettings({ queue: { openPerTenantMax: 100_000_000 } }, "bench");
  await using queue = await openGuestQueue({
    redisUrl: server.url,
    zone: "bench",
    settings: settings.queue,
    headsMax: settings.cycle.headsMax,
  });

  const specs = Array.from({ length: batch }, (_, i) => specOf(i % lanes));
  const kinds = {
    rawBatch: () => raw.addBulk(specs.map((spec) => ({ name: "guest", data: spec }))),
    queueBatch: () => queue.submit(specs.map((spec) => ({ spec, idempotencyKey: "" }))),
    rawUnary: () => inParallel(unary, inFlight, (i) => raw.add("guest", specOf(i % lanes))),
    queueUnary: () => inParallel(unary, inFlight, (i) => submitOne(queue, specOf(i % lanes))),
  };
  const warmUp = 5;
  const tookMs: Record<string, number[]> = {};
  for (let round = -warmUp; round < rounds; round += 1)
    for (const [kind, act] of Object.entries(kinds)) {
      const startedMs = performance.now();
      await act();
      if (round >= 0) (tookMs[kind] ??= []).push(performance.now() - startedMs);
    }
  redis.disconnect();

  const perS = (kind: keyof typeof kinds, count: number) => (count / median(tookMs[kind] ?? [])) * 1_000;
  const [rawBatchPerS, queueBatchPerS] = [perS("rawBatch", batch), perS("queueBatch", batch)];
  const [rawUnaryPerS, queueUnaryPerS] = [perS("rawUnary", unary), perS("queueUnary", unary)];
  return {
    params: { rounds, batch, inFlight, unary, lanes },
    metrics: {
      queueBatchRatio: queueBatchPerS / rawBatchPerS,
      queueUnaryRatio: queueUnaryPerS / rawUnaryPerS,
      rawBatchPerS,
      queueBatchPerS,
      rawUnaryPerS,
      queueUnaryPerS,
    },
  };
}

async function submitOne(queue: GuestQueue, spec: GuestSpec): Promise<void> {
  await queue.submit([{ spec, idempotencyKey: "" }]);
}

function specOf(lane: number): GuestSpec {
  return {
    tenant: "bench",
    name: "train",
    kind: "batch",
    workload: {
      kind: "process",
      command: ["/usr/bin/train", "--seed", "1"],
      env: { MODE: "bench" },
      workingDir: "",
    },
    shape: { devices: lane + 1, sharePermille: 1_000, memoryMib: null, model: "", pools: [] },
    priority: 50,
    checkpointIntervalMs: null,
    startMs: 30_000,
    noticeMs: 10_000,
    durationHintMs: null,
    retries: 0,
    evictionsMax: 100,
    notBeforeMs: null,
    trustGroup: "bench",
    labels: {},
  };
}
