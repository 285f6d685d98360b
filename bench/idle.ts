import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { submissionOf } from "./harness/guests.ts";
import { BenchProcess, loopback, startStack, type Usage } from "./harness/stack.ts";

const bench: Bench = {
  name: "idle",
  summary:
    "What the controller and an agent take while nothing happens: 1,000 devices sampled, 500 guests waiting",
  targets: {
    cpuPct: { max: 5 },
    rssMiB: { max: 200 },
    agentCpuPct: { max: 1 },
    agentRssMiB: { max: 100 },
  },
  options: {
    devices: { value: 1_000, help: "devices of the agent" },
    guests: { value: 500, help: "guests that wait" },
    sampleS: { value: 15, help: "seconds between samples" },
    seconds: { value: 60, help: "how long it is watched, in whole sample intervals" },
  },
  run,
};
export default bench;

async function run(options: BenchValues) {
  const { devices = 0, guests = 0, sampleS = 0, seconds = 0 } = options;
  const settings = { listen: loopback, policies: [{ pool: "*", mode: "observe" }] };
  await using stack = await startStack(settings);
  await using agent = await BenchProcess.start({
    role: "agent",
    dataDir: join(stack.dir, "agent"),
    settings,
    controllerAddress: stack.controller.address,
    host: "bench",
    devices: Array.from({ length: devices }, (_, i) => `GPU-bench-${i}`),
    sampleIntervalMs: sampleS * 1_000,
  });
  await stack.clients.guests.submitBatch({
    requests: Array.from({ length: guests }, (_, i) => submissionOf(i)),
  });
  await sleep(5_000); // start-up is over
  const before = [await stack.controller.usage(), await agent.usage()] as const;
  const startedMs = performance.now();
  await sleep(seconds * 1_000);
  const after = [await stack.controller.usage(), await agent.usage()] as const;
  const elapsedMs = performance.now() - startedMs;
  const cpuPct = (a: Usage, b: Usage) => ((b.cpuMs - a.cpuMs) / elapsedMs) * 100;
  return {
    params: { ...options },
    metrics: {
      cpuPct: cpuPct(before[0], after[0]),
      rssMiB: after[0].rssMiB,
      agentCpuPct: cpuPct(before[1], after[1]),
      agentRssMiB: after[1].rssMiB,
    },
  };
}
