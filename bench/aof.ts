import { connectRedis } from "../src/store/connection.ts";
import { GuestServiceDefinition } from "../src/gen/gleaner/v1/guests.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { submissionOf } from "./harness/guests.ts";
import { inParallel } from "./harness/in-parallel.ts";
import { LoadClient } from "./harness/load-client.ts";
import { loopback, startStack } from "./harness/stack.ts";
import { median, quantile } from "./harness/statistics.ts";

const bench: Bench = {
  name: "aof",
  summary:
    "Submissions with Redis writing through at every command (`always`) against once a second (`everysec`)",
  targets: {},
  options: {
    rounds: { value: 11, help: "measured rounds of each kind, alternating; medians are shown" },
    batch: { value: 500, help: "guests in one SubmitBatch" },
    inFlight: { value: 64, help: "unary submissions at a time" },
    unary: { value: 1_000, help: "unary submissions in one round" },
    single: { value: 200, help: "unary submissions one after the other in one round" },
  },
  run,
};
export default bench;

/** Nothing is lent: no agent is there. */
const settings = { listen: loopback, queue: { openPerTenantMax: 100_000_000 }, cycle: { intervalMs: 1_000 } };

const policies = ["everysec", "always"] as const;
type Policy = (typeof policies)[number];
const warmUp = 3;

async function run({ rounds = 0, batch = 0, inFlight = 0, unary = 0, single = 0 }: BenchValues) {
  await using stack = await startStack(settings);
  const redis = await connectRedis(stack.redis.url, { name: "bench", maxRetriesPerRequest: null });
  using _redis = { [Symbol.dispose]: () => redis.disconnect() };
  using load = new LoadClient(stack.controller.address);
  const { fullName, methods } = GuestServiceDefinition;
  const submit = (i: number) => load.call(fullName, methods.submit, submissionOf(i));
  const requests = Array.from({ length: batch }, (_, i) => submissionOf(i));

  const measured = { batchMs: byPolicy(), unaryMs: byPolicy(), singleMs: byPolicy() };
  for (let round = -warmUp; round < rounds; round += 1)
    for (const policy of policies) {
      await redis.config("SET", "appendfsync", policy);
      const batchMs = await timed(() => stack.clients.guests.submitBatch({ requests }));
      const unaryMs = await timed(() => inParallel(unary, inFlight, submit));
      const singleMs: number[] = [];
      for (let i = 0; i < single; i += 1) singleMs.push(await timed(() => submit(i)));
      if (round < 0) continue;
      measured.batchMs[policy].push(batchMs);
      measured.unaryMs[policy].push(unaryMs);
      measured.singleMs[policy].push(...singleMs);
    }
  const perS = (ms: Record<Policy, number[]>, count: number, policy: Policy) =>
    (count / median(ms[policy])) * 1_000;
  return {
    params: { rounds, batch, inFlight, unary, single },
    metrics: {
      ...figures("submitBatch", "PerS", (policy) => perS(measured.batchMs, batch, policy)),
      ...figures("submit", "PerS", (policy) => perS(measured.unaryMs, unary, policy)),
      ...figures("single", "MsP50", (policy) => median(measured.singleMs[policy])),
      ...figures("single", "MsP99", (policy) => quantile(measured.singleMs[policy], 0.99)),
      batchRatio: median(measured.batchMs.everysec) / median(measured.batchMs.always),
      submitRatio: median(measured.unaryMs.everysec) / median(measured.unaryMs.always),
    },
  };
}

function byPolicy(): Record<Policy, number[]> {
  return { everysec: [], always: [] };
}

/** One metric for each policy. */
function figures(name: string, unit: string, of: (policy: Policy) => number): Record<string, number> {
  return { [`${name}Everysec${unit}`]: of("everysec"), [`${name}Always${unit}`]: of("always") };
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await act();
  return performance.now() - startedMs;
}
