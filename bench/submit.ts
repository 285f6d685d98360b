import { join } from "node:path";
import { Queue } from "bullmq";
import { submissionOf } from "./harness/guests.ts";
import { connectRedis } from "../src/store/connection.ts";
import { LeaseState, Mover } from "../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../src/gen/gleaner/v1/guests.ts";
import { AgentPeer } from "../test/support/agent-peer.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { BenchProcess, loopback, startStack, type BenchStack } from "./harness/stack.ts";
import { median } from "./harness/statistics.ts";

const bench: Bench = {
  name: "submit",
  summary:
    "Submissions over gRPC against raw BullMQ on the same Redis, and guests a second through the whole way",
  targets: { submitBatchRatio: { min: 0.7 }, submitRatio: { min: 0.4 }, admissionsPerS: { min: 500 } },
  options: {
    rounds: { value: 11, help: "measured rounds of each kind, alternating; medians are shown" },
    batch: { value: 500, help: "guests in one SubmitBatch" },
    inFlight: { value: 64, help: "unary submissions at a time" },
    unary: { value: 1_000, help: "unary submissions in one round" },
    admissions: { value: 5_000, help: "guests that end at once" },
    devices: { value: 128, help: "devices on which they do" },
    processes: { value: 300, help: "guests that are processes which end at once, on a real agent" },
  },
  run,
};
export default bench;

/** Every guest fits at once, so that nothing but the way itself is measured. */
const settings = {
  listen: loopback,
  queue: { openPerTenantMax: 100_000_000 },
  cycle: { intervalMs: 1_000, intervalMsMin: 5 },
  telemetry: { sampleIntervalMs: 15_000, staleMs: 3_600_000 },
  forecast: { fitChanceMin: 0, evictionPenaltyMs: 0, resumeIdleMsMin: 0 },
  guest: { startMs: 0, noticeMs: 0 },
  policies: [{ pool: "*", mode: "lend", idleMsMin: 0 }],
};

async function run(options: BenchValues) {
  const { rounds = 0, batch = 0, inFlight = 0, unary = 0 } = options;
  await using stack = await startStack(settings);
  const redis = await connectRedis(stack.redis.url, { name: "bench", maxRetriesPerRequest: null });
  const raw = new Queue("raw", { connection: redis, prefix: "{raw}" });
  await raw.waitUntilReady();

  const { guests } = stack.clients;
  const kinds = {
    rawBatch: () =>
      raw.addBulk(Array.from({ length: batch }, (_, i) => ({ name: "guest", data: submissionOf(i) }))),
    submitBatch: () =>
      guests.submitBatch({ requests: Array.from({ length: batch }, (_, i) => submissionOf(i)) }),
    rawUnary: () => inParallel(unary, inFlight, (i) => raw.add("guest", submissionOf(i))),
    submitUnary: () => inParallel(unary, inFlight, (i) => guests.submit(submissionOf(i))),
  };
  const warmUp = 4;
  const tookMs: Record<string, number[]> = {};
  for (let round = -warmUp; round < rounds; round += 1)
    for (const [kind, act] of Object.entries(kinds)) {
      const startedMs = performance.now();
      await act();
      if (round >= 0) (tookMs[kind] ??= []).push(performance.now() - startedMs);
    }
  redis.disconnect();
  const perS = (kind: keyof typeof kinds, count: number) => (count / median(tookMs[kind] ?? [])) * 1_000;
  const admissionsPerS = await measureAdmissions(options);
  return {
    params: { ...options },
    metrics: {
      submitBatchRatio: perS("submitBatch", batch) / perS("rawBatch", batch),
      submitRatio: perS("submitUnary", unary) / perS("rawUnary", unary),
      submitBatchPerS: perS("submitBatch", batch),
      submitPerS: perS("submitUnary", unary),
      rawBatchPerS: perS("rawBatch", batch),
      rawPerS: perS("rawUnary", unary),
      admissionsPerS,
      admissionsWithProcessPerS: await measureProcesses(options),
    },
  };
}

/** Queue → lease → agent → done, with an agent that ends each guest at once instead of starting a process. */
async function measureAdmissions({ admissions = 0, devices = 0 }: BenchValues): Promise<number> {
  await using stack = await startStack(settings);
  const peer = new AgentPeer({
    host: "bench",
    devices: Array.from({ length: devices }, (_, i) => `GPU-bench-${i}`),
    onStart: (self, lease) => {
      self.report(lease, LeaseState.RUNNING);
      self.report(lease, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0, workedMs: 1 });
    },
  });
  await peer.connect(stack.controller.address);
  await hold(stack, true);
  for (let at = 0; at < admissions; at += 500)
    await stack.clients.guests.submitBatch({
      requests: Array.from({ length: Math.min(500, admissions - at) }, (_, i) => submissionOf(at + i)),
    });
  peer.sample(0);
  const startedMs = performance.now();
  await hold(stack, false);
  // A final step is acknowledged once the guest has ended in the books and in the queue.
  const ended = () =>
    peer.commands.filter((body) => body.$case === "leaseReportAck" && body.value.step === 2).length;
  await peer.until(() => peer.commands.length >= admissions * 3 && ended() >= admissions);
  const tookMs = performance.now() - startedMs;
  peer.disconnect();
  return (admissions / tookMs) * 1_000;
}

/** The same with the product's own agent, which starts a process in a cgroup for each and proves that it is gone. */
async function measureProcesses({ processes = 0 }: BenchValues): Promise<number> {
  await using stack = await startStack(settings);
  await hold(stack, true);
  await using _agent = await BenchProcess.start({
    role: "agent",
    dataDir: join(stack.dir, "agent"),
    settings,
    controllerAddress: stack.controller.address,
    host: "bench",
    devices: Array.from({ length: 16 }, (_, i) => `GPU-bench-${i}`),
    sampleIntervalMs: 15_000,
  });
  const ids = new Set<string>();
  const workload = { $case: "process" as const, value: { command: ["true"], env: {}, workingDir: "" } };
  const { results } = await stack.clients.guests.submitBatch({
    requests: Array.from({ length: processes }, (_, i) => ({
      ...submissionOf(i),
      spec: { ...submissionOf(i).spec!, workload },
    })),
  });
  for (const { outcome } of results) if (outcome?.$case === "accepted") ids.add(outcome.value.guest!.id);
  const startedMs = performance.now();
  await hold(stack, false);
  for await (const { guest } of stack.clients.guests.watch({ ids: [], tenant: "", changesOnly: false })) {
    if (guest?.state === GuestState.SUCCEEDED) ids.delete(guest.id);
    if (ids.size === 0) break;
  }
  return (processes / (performance.now() - startedMs)) * 1_000;
}

async function hold({ clients }: BenchStack, isHeld: boolean): Promise<void> {
  const target = { scope: { $case: "fleet" as const, value: {} } };
  if (isHeld) await clients.owners.hold({ target, ttlMs: undefined, reason: "bench", recall: false });
  else await clients.owners.unhold({ which: { $case: "target", value: target } });
}

async function inParallel(
  count: number,
  inFlight: number,
  act: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}
