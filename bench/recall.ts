import { setTimeout as sleep } from "node:timers/promises";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { RecallStage, Rung, type RecallRequest } from "../src/gen/gleaner/v1/owners.ts";
import { AgentPeer } from "../test/support/agent-peer.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { submissionOf } from "./harness/guests.ts";
import { BenchProcess, loopback, startStack, type BenchStack } from "./harness/stack.ts";
import { quantile } from "./harness/statistics.ts";
import { TickGuest } from "./harness/tick-guest.ts";

const bench: Bench = {
  name: "recall",
  summary:
    "From an owner's signal to the guest frozen, seen from outside, and what a vacate takes besides the guest's own time",
  targets: {
    recallToFrozenMsP50: { max: 10 },
    recallToFrozenMsP99: { max: 50 },
    underCycleMsP50: { max: 10 },
    underCycleMsP99: { max: 50 },
    activityToFrozenMsP50: { max: 10 },
    activityToFrozenMsP99: { max: 50 },
  },
  options: {
    guests: { value: 100, help: "live guests; those not recalled sleep" },
    recalls: { value: 200, help: "recalls of each kind, one after the other" },
    vacates: { value: 20, help: "vacates of guests that checkpoint" },
    checkpointMb: { value: 100, help: "what each of those writes" },
    fleetDevices: {
      value: 100_000,
      help: "devices over which decision cycles run meanwhile, in the second part; 0: none",
    },
  },
  run,
};
export default bench;

const ms = (fromNs: bigint, toNs: bigint) => Number(toNs - fromNs) / 1e6;

async function run(options: BenchValues) {
  const { guests = 0, recalls = 0, vacates = 0, checkpointMb = 0, fleetDevices = 0 } = options;
  const settings = {
    listen: loopback,
    cycle: { intervalMs: 100 },
    telemetry: { sampleIntervalMs: 15_000, staleMs: 3_600_000 },
    forecast: { fitChanceMin: 0, evictionPenaltyMs: 0, resumeIdleMsMin: 0, earlyReturnMs: 0 },
    guest: { startMs: 0, noticeMs: 60_000 },
    recall: { holdAfterRecallMs: 0 },
    policies: [
      { pool: "bench", mode: "lend", idleMsMin: 0, recallDeadlineMs: 120_000, firstRung: "pause" },
      { pool: "*", mode: "observe" },
    ],
  };
  await using stack = await startStack(settings);
  const devices = Array.from({ length: guests }, (_, i) => `GPU-bench-${i}`);
  await using agent = await BenchProcess.start({
    role: "agent",
    dataDir: join(stack.dir, "agent"),
    settings,
    controllerAddress: stack.controller.address,
    host: "bench",
    devices,
    sampleIntervalMs: 15_000,
  });
  const live = await startGuests(stack, guests, checkpointMb);

  const quiet = await measureRecalls(stack, live, recalls);
  const activity = await measureActivity(stack, agent, live, recalls);
  const busy =
    fleetDevices === 0
      ? quiet
      : await underCycles(stack, fleetDevices, () => measureRecalls(stack, live, recalls));
  const vacate = await measureVacates(stack, live, vacates);
  return {
    params: { ...options },
    metrics: {
      recallToLastTickMsP50: quantile(quiet.lastTickMs, 0.5),
      recallToLastTickMsP99: quantile(quiet.lastTickMs, 0.99),
      recallToFrozenMsP50: quantile(quiet.frozenMs, 0.5),
      recallToFrozenMsP99: quantile(quiet.frozenMs, 0.99),
      recallToFrozenMsMax: quantile(quiet.frozenMs, 1),
      underCycleMsP50: quantile(busy.frozenMs, 0.5),
      underCycleMsP99: quantile(busy.frozenMs, 0.99),
      underCycleMsMax: quantile(busy.frozenMs, 1),
      activityToFrozenMsP50: quantile(activity, 0.5),
      activityToFrozenMsP99: quantile(activity, 0.99),
      activityToFrozenMsMax: quantile(activity, 1),
      vacateOwnMsP50: quantile(vacate.ownMs, 0.5),
      vacateOverheadMsP50: quantile(vacate.overheadMs, 0.5),
      vacateOverheadMsP99: quantile(vacate.overheadMs, 0.99),
      vacateOverheadMsMax: quantile(vacate.overheadMs, 1),
    },
  };
}

/** Live guests by device. */
type Live = ReadonlyMap<string, TickGuest>;

export async function startGuests(
  { clients, dir }: Pick<BenchStack, "clients" | "dir">,
  count: number,
  checkpointMb: number,
): Promise<Live> {
  const script = join(import.meta.dirname, "../examples/tick.mjs");
  const ticks = join(dir, "ticks");
  mkdirSync(ticks);
  const paths = new Map<string, string>();
  for (let i = 0; i < count; i += 1) {
    const path = join(ticks, `${i}.log`);
    const { spec } = submissionOf(0);
    const command = [process.execPath, script, path, "--asleep", "--checkpoint-mb", String(checkpointMb)];
    const workload = { $case: "process" as const, value: { command, env: {}, workingDir: "" } };
    const { guest } = await clients.guests.submit({ spec: { ...spec!, workload }, idempotencyKey: "" });
    paths.set(guest!.id, path);
  }
  const live = new Map<string, TickGuest>();
  const ready = () => [...live.values()].filter((guest) => guest.hasStarted).length;
  while (ready() < count) {
    await sleep(250);
    for (const id of paths.keys()) {
      const { guest } = await clients.guests.get({ id });
      const [device] = guest!.devices;
      if (device !== undefined) live.set(device, new TickGuest(paths.get(id)!));
    }
  }
  return live;
}

const targetOf = (uuid: string) => ({ scope: { $case: "devices" as const, value: { uuids: [uuid] } } });

async function measureRecalls({ clients }: BenchStack, live: Live, count: number) {
  const lastTickMs: number[] = [];
  const frozenMs: number[] = [];
  for (const [device, guest] of rounds(live, count)) {
    await waken(guest);
    const gone = new AbortController();
    const frozen = guest.frozen(gone.signal);
    const request: RecallRequest = {
      target: targetOf(device),
      deadlineMs: 120_000,
      firstRung: Rung.PAUSE,
      reason: "bench",
      holdMs: 0,
    };
    const sentNs = process.hrtime.bigint();
    const progress = clients.owners.recall(request)[Symbol.asyncIterator]();
    while ((await progress.next()).value?.stage !== RecallStage.PAUSED);
    const frozenNs = await frozen;
    frozenMs.push(ms(sentNs, frozenNs));
    lastTickMs.push(Math.max(0, ms(sentNs, guest.lastEvent("tick")?.atNs ?? sentNs)));
    await clients.owners.idle({ target: targetOf(device) });
    while ((await progress.next()).done !== true);
    await ticksAgain(guest, frozenNs);
    await lull(guest);
  }
  return { lastTickMs, frozenMs };
}

/** An owner who merely starts working: from the moment that the agent's source is told. */
async function measureActivity({ clients }: BenchStack, agent: BenchProcess, live: Live, count: number) {
  const frozenMs: number[] = [];
  for (const [device, guest] of rounds(live, count)) {
    await waken(guest);
    const frozen = guest.frozen(new AbortController().signal);
    const sentNs = process.hrtime.bigint();
    agent.setUtil([device], 80);
    const frozenNs = await frozen;
    frozenMs.push(ms(sentNs, frozenNs));
    agent.setUtil([device], 0);
    await ticksAgain(guest, frozenNs);
    await lull(guest);
  }
  await clients.owners.idle({ target: { scope: { $case: "fleet", value: {} } } });
  return frozenMs;
}

/** From Recall (vacate) to released, less what the guest itself took from its SIGTERM to its end. */
async function measureVacates({ clients }: BenchStack, live: Live, count: number) {
  const ownMs: number[] = [];
  const overheadMs: number[] = [];
  const target = { scope: { $case: "fleet" as const, value: {} } };
  await clients.owners.hold({ target, ttlMs: undefined, reason: "bench", recall: false });
  for (const [device, guest] of [...live].slice(0, count)) {
    const request: RecallRequest = {
      target: targetOf(device),
      deadlineMs: 120_000,
      firstRung: Rung.VACATE,
      reason: "bench",
      holdMs: 0,
    };
    const sentNs = process.hrtime.bigint();
    for await (const { stage } of clients.owners.recall(request)) if (stage === RecallStage.RELEASED) break;
    const releasedNs = process.hrtime.bigint();
    const [begun, ended] = [guest.lastEvent("sigterm"), guest.lastEvent("checkpointed")];
    const own = ms(begun?.atNs ?? 0n, ended?.atNs ?? 0n);
    ownMs.push(own);
    overheadMs.push(ms(sentNs, releasedNs) - own);
  }
  return { ownMs, overheadMs };
}

/** Runs `measure` while the same controller decides over a large fleet in every cycle. */
async function underCycles<T>(
  { clients, controller }: BenchStack,
  devices: number,
  measure: () => Promise<T>,
): Promise<T> {
  const hosts = 100;
  const peers = Array.from(
    { length: hosts },
    (_, host) =>
      new AgentPeer({
        host: `fleet-${host}`,
        pool: `fleet-${host}`,
        devices: Array.from({ length: devices / hosts }, (__, i) => `GPU-fleet-${host}-${i}`),
      }),
  );
  for (const peer of peers) {
    await peer.connect(controller.address);
    peer.sample(0);
  }
  // Waiting guests that fit nowhere keep every cycle at its full work.
  const requests = Array.from({ length: 500 }, (_, i) => {
    const request = submissionOf(i);
    return {
      ...request,
      spec: { ...request.spec!, shape: { ...request.spec!.shape!, deviceModel: "none-such" } },
    };
  });
  await clients.guests.submitBatch({ requests });
  await sleep(5_000);
  const result = await measure();
  for (const peer of peers) peer.disconnect();
  return result;
}

function* rounds(live: Live, count: number): Iterable<[string, TickGuest]> {
  const all = [...live];
  for (let i = 0; i < count; i += 1) yield all[i % all.length]!;
}

async function waken(guest: TickGuest): Promise<void> {
  guest.toggle();
  while (guest.lastEvent()?.event !== "tick") await sleep(2);
  await sleep(5 + Math.random() * 10); // so that recalls fall anywhere between two ticks
}

async function lull(guest: TickGuest): Promise<void> {
  guest.toggle();
  while (guest.lastEvent()?.event !== "asleep") await sleep(2);
}

async function ticksAgain(guest: TickGuest, sinceNs: bigint): Promise<void> {
  while ((guest.lastEvent("tick")?.atNs ?? 0n) <= sinceNs) await sleep(2);
}
