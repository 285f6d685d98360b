import { join } from "node:path";
import { Queue } from "bullmq";
import { connectRedis } from "../src/store/connection.ts";
import { LeaseState, Mover } from "../src/gen/gleaner/v1/agents.ts";
import { GuestServiceDefinition, GuestState } from "../src/gen/gleaner/v1/guests.ts";
import { AgentPeer } from "../test/support/agent-peer.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { submissionOf } from "./harness/guests.ts";
import { inParallel } from "./harness/in-parallel.ts";
import { LoadClient } from "./harness/load-client.ts";
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
  return {
    params: { ...options },
    metrics: {
      ...(await measureSubmissions(options)),
      admissionsPerS: await measureAdmissions(options),
      admissionsWithProcessPerS: await measureProcesses(options),
    },
  };
}

/**
 * One process makes the load of all kinds, raw BullMQ's too, as one connection each. `echo` is Submit on a gRPC server
 * that does nothing: the most that this machine has to give. `ownClient` is Submit by the product's own client.
 */
async function measureSubmissions({ rounds = 0, batch = 0, inFlight = 0, unary = 0 }: BenchValues) {
  await using stack = await startStack(settings);
  const redis = await connectRedis(stack.redis.url, { name: "bench", maxRetriesPerRequest: null });
  using _redis = { [Symbol.dispose]: () => redis.disconnect() };
  const raw = new Queue("raw", { connection: redis, prefix: "{raw}" });
  await raw.waitUntilReady();
  await using echo = await BenchProcess.start({ role: "echo" });
  using controllerLoad = new LoadClient(stack.controller.address);
  using echoLoad = new LoadClient(echo.address);

  const { guests } = stack.clients;
  const { fullName, methods } = GuestServiceDefinition;
  const submissions = () => Array.from({ length: batch }, (_, i) => submissionOf(i));
  const kinds = {
    rawBatch: () => raw.addBulk(submissions().map((data) => ({ name: "guest", data }))),
    submitBatch: () => guests.submitBatch({ requests: submissions() }),
    raw: () => inParallel(unary, inFlight, (i) => raw.add("guest", submissionOf(i))),
    submit: () =>
      inParallel(unary, inFlight, (i) => controllerLoad.call(fullName, methods.submit, submissionOf(i))),
    echo: () => inParallel(unary, inFlight, (i) => echoLoad.call(fullName, methods.submit, submissionOf(i))),
    ownClient: () => inParallel(unary, inFlight, (i) => guests.submit(submissionOf(i))),
  };
  const warmUp = 4;
  const tookMs: Record<string, number[]> = {};
  for (let round = -warmUp; round < rounds; round += 1)
    for (const [kind, act] of Object.entries(kinds)) {
      const startedMs = performance.now();
      await act();
      if (round >= 0) (tookMs[kind] ??= []).push(performance.now() - startedMs);
    }
  const perS = (kind: keyof typeof kinds, count: number) => (count / median(tookMs[kind] ?? [])) * 1_000;
  const [rawBatchPerS, submitBatchPerS] = [perS("rawBatch", batch), perS("submitBatch", batch)];
  const [rawPerS, submitPerS, echoPerS] = [perS("raw", unary), perS("submit", unary), perS("echo", unary)];
  return {
    submitBatchRatio: submitBatchPerS / rawBatchPerS,
    submitRatio: submitPerS / rawPerS,
    echoRatio: echoPerS / rawPerS,
    submitBatchPerS,
    submitPerS,
    submitOwnClientPerS: perS("ownClient", unary),
    echoPerS,
    rawBatchPerS,
    rawPerS,
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
