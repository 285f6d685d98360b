import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { RecallStage, Rung } from "../src/gen/gleaner/v1/owners.ts";
import { every, systemClock } from "../src/runtime/clock.ts";
import { queueKeys } from "../src/queue/keys.ts";
import { zoneKeys } from "../src/store/keys.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { submissionOf } from "./harness/guests.ts";
import { BenchProcess, loopback, startStack, type BenchStack } from "./harness/stack.ts";
import { quantile } from "./harness/statistics.ts";
import { isFlat, trendOf, type Point } from "./harness/trend.ts";

const figures = [
  "rssMib",
  "heldMib",
  "redisMib",
  "ledgerMib",
  "decisionsMib",
  "streamEntries",
  "aofMib",
  "recallMsP50",
  "recallMsP99",
  "submitMsP50",
  "submitMsP99",
] as const;
type Figure = (typeof figures)[number];

/** The books keep 48 hours to the ms, up to 1,000,000 stretches: so long they grow, and what counts is by how much a guest. */
function mustBeFlat(figure: Figure): boolean {
  return figure !== "ledgerMib";
}

const bench: Bench = {
  name: "soak",
  summary:
    "Hours of churn in minutes: what grows while simulated agents' guests are submitted, lent, recalled and end",
  targets: {
    ...Object.fromEntries(figures.filter(mustBeFlat).map((figure) => [`${figure}Flat`, { min: 1 }])),
    ledgerKibPerGuest: { max: 1.5 },
  },
  options: {
    minutes: { value: 20, help: "how long, the warm-up included" },
    warmUpShare: { value: 0.25, help: "part of it whose samples do not count" },
    agents: { value: 1_000, help: "agents, each with a stream and a connection of its own" },
    devicesPerAgent: { value: 2, help: "devices of each" },
    processes: { value: 2, help: "processes that play the agents" },
    workS: { value: 20, help: "seconds that a guest takes on average" },
    perS: { value: 100, help: "submissions a second at most; fewer where the machine bears no more" },
    recallsPerS: { value: 5, help: "recalls of one device a second at most" },
    sampleS: { value: 5, help: "seconds between two samples" },
    growthPctPerH: {
      value: 10,
      help: "growth of a figure, in % of its mean an hour, that still counts as flat",
    },
  },
  run,
};
export default bench;

const minuteMs = 60_000;

/**
 * Retention so short that 20 minutes pass each of its ends many times, and the first within the warm-up also where the machine
 * bears a third of the rate: 2,000 ended guests, 2 MiB of the decisions' journal, the append-only file rewritten from 16 MiB on
 * (and whenever it has doubled). A limit in time would let what is kept follow the rate.
 */
const settings = {
  listen: loopback,
  cycle: { intervalMs: 1_000, intervalMsMin: 50 },
  decisions: { keptMibMax: 2 },
  telemetry: { sampleIntervalMs: 15_000, staleMs: 60_000 },
  terms: { termMs: 30_000, renewIntervalMs: 10_000 },
  forecast: { fitChanceMin: 0, evictionPenaltyMs: 0 },
  guest: { startMs: 0, noticeMs: 1_000, backoffMsMin: 1_000, backoffMsMax: 5_000, evictionsMax: 1_000 },
  queue: { openPerTenantMax: 1_000_000, endedKeptMax: 2_000, endedKeptMs: 10 * minuteMs },
  recall: { holdAfterRecallMs: 1_000 },
  api: { watchersMax: 100 },
  policies: [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: 60_000 }],
};
const aofRewriteFromMib = 16;
const zone = "default";
const MiB = 2 ** 20;

async function run(options: BenchValues) {
  const { minutes = 0, warmUpShare = 0, sampleS = 0, growthPctPerH = 0, agents = 0, processes = 1 } = options;
  await using stack = await startStack(settings);
  using redis = await configuredRedis(stack.redis.url);
  await using _peers = await startAllPeers(stack, options);
  const churn = startChurn(stack, redis.client, options);
  const samples = new Map<Figure, Point[]>(figures.map((figure) => [figure, []]));
  const startedMs = systemClock.monotonicMs();
  const { cpuMs: cpuBeforeMs } = await stack.controller.usage();
  const endMs = startedMs + minutes * minuteMs;
  while (systemClock.monotonicMs() < endMs) {
    await systemClock.sleep(sampleS * 1_000);
    const atMs = systemClock.monotonicMs();
    const now = await sampleOf(stack, redis.client, churn.takeLatencies());
    process.stderr.write(
      `${JSON.stringify({ atS: Math.round((atMs - startedMs) / 1_000), ...rounded(now) })}\n`,
    );
    if (atMs < startedMs + warmUpShare * minutes * minuteMs) continue;
    for (const figure of figures)
      if (Number.isFinite(now[figure])) samples.get(figure)!.push({ atMs, value: now[figure] });
  }
  const counts = await churn.stop();
  const { cpuMs } = await stack.controller.usage();
  const tookS = (systemClock.monotonicMs() - startedMs) / 1_000;
  return {
    params: { ...options, devices: agents * (options["devicesPerAgent"] ?? 0), processes },
    metrics: {
      submittedPerS: counts.submitted / tookS,
      recalledPerS: counts.recalled / tookS,
      failedCalls: counts.failed,
      controllerCpuMsPerGuest: (cpuMs - cpuBeforeMs) / counts.submitted,
      ledgerKibPerGuest:
        (trendOf(samples.get("ledgerMib")!).slopePerH * 1_024 * tookS) / (counts.submitted * 3_600),
      ...Object.assign(
        {},
        ...figures.map((figure) => trendMetrics(figure, samples.get(figure)!, growthPctPerH)),
      ),
    },
  };
}

function trendMetrics(
  figure: Figure,
  points: readonly Point[],
  growthPctPerH: number,
): Record<string, number> {
  const trend = trendOf(points);
  return {
    [`${figure}Mean`]: trend.mean,
    [`${figure}PerH`]: trend.slopePerH,
    [`${figure}PerHError`]: trend.errorPerH,
    [`${figure}Flat`]: isFlat(trend, (trend.mean * growthPctPerH) / 100) ? 1 : 0,
  };
}

async function configuredRedis(url: string): Promise<Disposable & { readonly client: Redis }> {
  const client = new Redis(url);
  await client.config("SET", "auto-aof-rewrite-min-size", String(aofRewriteFromMib * MiB));
  return { client, [Symbol.dispose]: () => client.disconnect() };
}

async function startAllPeers(stack: BenchStack, options: BenchValues): Promise<AsyncDisposable> {
  const { agents = 0, processes = 1, devicesPerAgent = 0, workS = 0 } = options;
  await using undo = new AsyncDisposableStack();
  for (let nth = 0; nth < processes; nth += 1) {
    const firstHost = Math.floor((agents * nth) / processes);
    const plan = {
      role: "peers" as const,
      controllerAddress: stack.controller.address,
      firstHost,
      hosts: Math.floor((agents * (nth + 1)) / processes) - firstHost,
      devicesPerHost: devicesPerAgent,
      sampleIntervalMs: settings.telemetry.sampleIntervalMs,
      renewIntervalMs: settings.terms.renewIntervalMs,
      workMs: workS * 1_000,
    };
    undo.use(await BenchProcess.start(plan));
  }
  return undo.move();
}

interface Latencies {
  readonly submitMs: readonly number[];
  readonly recallMs: readonly number[];
}

/** Submits as fast as is asked for, but never has more guests open than a quarter above what all devices hold. */
function startChurn({ clients }: BenchStack, redis: Redis, options: BenchValues) {
  const { agents = 0, devicesPerAgent = 0, perS = 0, recallsPerS = 0 } = options;
  const openMax = agents * devicesPerAgent * 1.25;
  const counts = { submitted: 0, recalled: 0, failed: 0 };
  let latencies = { submitMs: [] as number[], recallMs: [] as number[] };
  const underWay = new Set<Promise<void>>();
  const begin = (act: () => Promise<void>) => {
    const work: Promise<void> = act()
      .catch(() => void (counts.failed += 1))
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };
  const submit = async (i: number) => {
    const startedMs = systemClock.monotonicMs();
    await clients.guests.submit(submissionOf(i));
    latencies.submitMs.push(systemClock.monotonicMs() - startedMs);
  };
  const recall = async () => {
    const device = `GPU-soak-${Math.floor(Math.random() * agents)}-${Math.floor(Math.random() * devicesPerAgent)}`;
    const startedMs = systemClock.monotonicMs();
    const request = {
      target: { scope: { $case: "devices" as const, value: { uuids: [device] } } },
      deadlineMs: 60_000,
      firstRung: Rung.VACATE,
      reason: "soak",
      holdMs: 1_000,
    };
    for await (const { stage, leaseId } of clients.owners.recall(request)) {
      if (stage !== RecallStage.RELEASED || leaseId === "") continue;
      counts.recalled += 1;
      latencies.recallMs.push(systemClock.monotonicMs() - startedMs);
    }
  };
  const tickMs = 100;
  const inFlightMax = 200;
  let open = 0;
  let owed = 0;
  const stops = [
    every(systemClock, 1_000, () => begin(async () => void (open = await openGuests(redis)))),
    every(systemClock, tickMs, () => {
      owed = Math.min(perS, owed + (perS * tickMs) / 1_000);
      for (; owed >= 1 && open < openMax && underWay.size < inFlightMax; owed -= 1) {
        open += 1;
        begin(() => submit((counts.submitted += 1)));
      }
    }),
    every(systemClock, 1_000 / recallsPerS, () => begin(recall)),
  ];
  return {
    takeLatencies(): Latencies {
      const taken = latencies;
      latencies = { submitMs: [], recallMs: [] };
      return taken;
    },
    async stop() {
      for (const stop of stops) stop();
      await Promise.all(underWay);
      return counts;
    },
  };
}

async function openGuests(redis: Redis): Promise<number> {
  return (await redis.hvals(queueKeys(zone).open)).reduce((sum, count) => sum + Number(count), 0);
}

async function sampleOf(
  { controller, dir }: BenchStack,
  redis: Redis,
  { submitMs, recallMs }: Latencies,
): Promise<Record<Figure, number>> {
  const memory = /^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1];
  const { rssMiB, heldMiB } = await controller.usage();
  return {
    rssMib: rssMiB,
    heldMib: heldMiB ?? Number.NaN,
    redisMib: Number(memory) / MiB,
    ledgerMib: bytesOf(join(dir, "controller"), /^ledger\.sqlite/) / MiB,
    decisionsMib: bytesOf(join(dir, "controller/decisions")) / MiB,
    streamEntries: await redis.xlen(zoneKeys(zone).ledger),
    aofMib: bytesOf(join(dir, "redis/appendonlydir")) / MiB,
    recallMsP50: quantile(recallMs, 0.5),
    recallMsP99: quantile(recallMs, 0.99),
    submitMsP50: quantile(submitMs, 0.5),
    submitMsP99: quantile(submitMs, 0.99),
  };
}

function rounded(sample: Record<Figure, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(sample).map(([figure, value]) => [figure, Number(value.toFixed(1))]),
  );
}

/** Of the files of a directory; one that is removed meanwhile counts as nothing. */
function bytesOf(dir: string, names = /^/): number {
  return readdirSync(dir)
    .filter((name) => names.test(name))
    .reduce((sum, name) => sum + (lstatSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
