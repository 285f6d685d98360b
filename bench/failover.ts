import { setTimeout as sleep } from "node:timers/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectClients, type Clients } from "../src/api/client.ts";
import { Rung } from "../src/gen/gleaner/v1/owners.ts";
import { startRedisServer } from "../src/store/redis-server.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { submissionOf } from "./harness/guests.ts";
import { BenchProcess, loopback } from "./harness/stack.ts";
import { quantile } from "./harness/statistics.ts";
import type { TickGuest } from "./harness/tick-guest.ts";
import { startGuests } from "./recall.ts";

/** A paused guest is told to leave one notice before it: longer than the bench takes on a slow machine. */
const recallDeadlineMs = 600_000;

const bench: Bench = {
  name: "failover",
  summary:
    "From kill -9 of the leader to the next lease, and from a Recall to frozen while leader, Redis or both are dead",
  targets: {
    takeOverMsMax: { max: 5_000 },
    recallLeaderDeadMsP99: { max: 100 },
    recallRedisDeadMsP99: { max: 100 },
    recallBothDeadMsP99: { max: 100 },
    guestsMoved: { max: 0 },
  },
  options: {
    rounds: { value: 10, help: "leaders that are killed" },
    recalls: { value: 30, help: "recalls of each kind" },
  },
  run,
};
export default bench;

async function run({ rounds = 0, recalls = 0 }: BenchValues) {
  const perRound = Math.ceil(recalls / rounds);
  const guests = perRound * rounds + 2 * recalls;
  const settings = {
    listen: loopback,
    cycle: { intervalMs: 100 },
    telemetry: { sampleIntervalMs: 1_000, staleMs: 3_600_000 },
    forecast: { fitChanceMin: 0, evictionPenaltyMs: 0, resumeIdleMsMin: 0, earlyReturnMs: 0 },
    guest: { startMs: 0, noticeMs: 60_000 },
    recall: { holdAfterRecallMs: 0 },
    agent: { reconnectMsMax: 300 },
    policies: [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs, firstRung: "pause" }],
  };
  await using ends = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "gleaner-bench-"));
  ends.defer(() => rmSync(dir, { recursive: true, force: true }));
  const redis = await startRedisServer({ dir: join(dir, "redis") });
  ends.defer(() => redis.stop());
  // The same address every time, as in production.
  const ports = [7_970, 7_971];
  const start = (which: number) =>
    BenchProcess.start({
      role: "controller",
      redisUrl: redis.url,
      dataDir: join(dir, `controller-${which}`),
      settings: { ...settings, listen: { ...loopback, apiAddress: `127.0.0.1:${ports[which]}` } },
    });
  const controllers = [await start(0), await start(1)];
  ends.defer(async () => {
    for (const controller of controllers) await controller[Symbol.asyncDispose]();
  });
  const addresses = controllers.map(({ address }) => address);
  const devices = Array.from({ length: guests + rounds }, (_, i) => `GPU-bench-${i}`);
  const agent = await BenchProcess.start({
    role: "agent",
    dataDir: join(dir, "agent"),
    settings,
    controllerAddress: addresses.join(","),
    host: "bench",
    devices,
    sampleIntervalMs: 1_000,
  });
  ends.defer(() => agent[Symbol.asyncDispose]());
  const clients = connectClients(addresses);
  ends.defer(() => clients.close());
  const live = await startGuests({ clients, dir }, guests, 0);
  const before = await attempts(clients);
  const waiting = [...live];
  const measure = async (count: number) => {
    const frozenMs: number[] = [];
    for (const [device, guest] of waiting.splice(0, count))
      frozenMs.push(await recall(clients, device, guest));
    return frozenMs;
  };

  const takeOverMs: number[] = [];
  const leaderDeadMs: number[] = [];
  let leader = 0;
  for (let round = 0; round < rounds; round += 1) {
    const killedAtMs = performance.now();
    await controllers[leader]!.kill();
    leaderDeadMs.push(...(await measure(perRound)));
    await lent(clients, round);
    takeOverMs.push(performance.now() - killedAtMs);
    controllers[leader] = await start(leader);
    leader = 1 - leader;
    await sleep(2_000);
  }
  const moved = [...(await attempts(clients))].filter(([id, count]) => (before.get(id) ?? count) !== count);

  process.kill(redis.pid, "SIGSTOP");
  const redisDeadMs = await measure(recalls);
  await controllers[leader]!.kill();
  const bothDeadMs = await measure(recalls);
  process.kill(redis.pid, "SIGCONT");
  return {
    params: { rounds, recalls, guests },
    metrics: {
      takeOverMsP50: quantile(takeOverMs, 0.5),
      takeOverMsMax: quantile(takeOverMs, 1),
      recallLeaderDeadMsP50: quantile(leaderDeadMs, 0.5),
      recallLeaderDeadMsP99: quantile(leaderDeadMs, 0.99),
      recallRedisDeadMsP50: quantile(redisDeadMs, 0.5),
      recallRedisDeadMsP99: quantile(redisDeadMs, 0.99),
      recallBothDeadMsP50: quantile(bothDeadMs, 0.5),
      recallBothDeadMsP99: quantile(bothDeadMs, 0.99),
      guestsMoved: moved.length,
    },
  };
}

/** From the call to the moment that the kernel says the guest's cgroup is frozen. */
async function recall(clients: Clients, device: string, guest: TickGuest): Promise<number> {
  const frozen = guest.frozen(new AbortController().signal);
  const target = { scope: { $case: "devices" as const, value: { uuids: [device] } } };
  const calledNs = process.hrtime.bigint();
  const order = { target, deadlineMs: recallDeadlineMs, firstRung: Rung.PAUSE, reason: "bench" };
  const progress = clients.owners.recall(order)[Symbol.asyncIterator]();
  await progress.next();
  const frozenNs = await frozen;
  await progress.return?.();
  return Number(frozenNs - calledNs) / 1e6;
}

/** Resolves when a guest that is handed in now has a lease. */
async function lent(clients: Clients, round: number): Promise<void> {
  const { spec } = submissionOf(0);
  const workload = {
    $case: "process" as const,
    value: { command: ["sleep", "3600"], env: {}, workingDir: "" },
  };
  const request = { spec: { ...spec!, workload }, idempotencyKey: `round-${round}` };
  const { guest } = await clients.guests.submit(request);
  while ((await clients.guests.get({ id: guest!.id })).guest?.leaseId === "") await sleep(20);
}

async function attempts(clients: Clients): Promise<Map<string, number>> {
  const { guests } = await clients.guests.list({ tenant: "", states: [], pageSize: 1_000, pageToken: "" });
  return new Map(guests.map(({ id, attempts: count }) => [id, count]));
}
