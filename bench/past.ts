import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSettings } from "../src/config/settings.ts";
import { Fleet } from "../src/controller/fleet.ts";
import type { GuestMoves } from "../src/controller/guest-moves.ts";
import { configuredPolicy, type OwnerSignals } from "../src/controller/owner-signals.ts";
import { PoolReserves } from "../src/controller/pool-reserves.ts";
import { RemoteBooks } from "../src/controller/remote-books.ts";
import type { DeviceInfo } from "../src/core/device.ts";
import type { LedgerEvent } from "../src/core/ledger-event.ts";
import { openBooks } from "../src/report/books.ts";
import { systemClock as clock } from "../src/runtime/clock.ts";
import { createLogger } from "../src/runtime/log.ts";
import { startTestRedis } from "../test/support/redis.ts";
import type { Bench, BenchValues } from "./harness/bench.ts";
import { BlockMeter } from "./harness/block-meter.ts";
import { SeededRandom } from "./harness/random.ts";

const bench: Bench = {
  name: "past",
  summary:
    "How long a new leader takes to learn its pools' last days from the books, and keeps its thread meanwhile",
  targets: { learnBlockCpuMs: { max: 15 } },
  options: {
    devices: { value: 10_000, help: "devices of one owner" },
    pools: { value: 20, help: "pools that they are in" },
    staysPerDevice: { value: 20, help: "stays of the owner on each in two days" },
    seed: { value: 1, help: "of when owners come" },
  },
  run,
};
export default bench;

const daysMs = 2 * 86_400_000;
const stayMs = 20 * 60_000;
const settings = parseSettings({ policies: [{ pool: "*", mode: "lend", waitedShareMax: 0.05 }] }, "bench");

async function run(options: BenchValues) {
  const dir = mkdtempSync(join(tmpdir(), "gleaner-past-"));
  const log = createLogger({ name: "bench", level: "fatal" });
  const { zone, ledger } = settings;
  const devices = devicesOf(options);
  const path = join(dir, "ledger.sqlite");
  write(path, devices, options);
  const redis = await startTestRedis();
  const books = new RemoteBooks({ path, redisUrl: redis.url, zone, reader: "bench", ledger, clock, log });
  try {
    await books.catchUp();
    const fleet = new Fleet();
    for (const device of devices) fleet.addDevice(device);
    const reserves = new PoolReserves({
      fleet,
      signals: {
        policyOf: (pool: string) => configuredPolicy(settings, pool),
        standsAgainst: () => null,
      } as unknown as OwnerSignals,
      moves: {} as GuestMoves,
      books,
      settings,
      clock,
      log,
    });
    await reserves.tick();
    const before = process.threadCpuUsage();
    const beganMs = performance.now();
    const meter = new BlockMeter(1);
    await reserves.learn(new AbortController().signal);
    const { blockMs, blockCpuMs } = meter.stop();
    const { user, system } = process.threadCpuUsage(before);
    return {
      params: { ...options },
      metrics: {
        learnS: (performance.now() - beganMs) / 1_000,
        learnCpuS: (user + system) / 1e6,
        learnBlockMs: blockMs,
        learnBlockCpuMs: blockCpuMs,
        rssMiB: process.memoryUsage.rss() / 2 ** 20,
      },
    };
  } finally {
    await books.close();
    await redis.stop();
    rmSync(dir, { recursive: true });
  }
}

function devicesOf({ devices = 0, pools = 1 }: BenchValues): DeviceInfo[] {
  return Array.from({ length: devices }, (_, index) => ({
    uuid: `GPU-${index}`,
    host: `host-${index >> 3}`,
    pool: `pool-${index % pools}`,
    model: "H100",
    index: index % 8,
    memoryTotalMib: null,
  }));
}

function write(path: string, devices: readonly DeviceInfo[], options: BenchValues): void {
  const { staysPerDevice = 0, seed = 1 } = options;
  const random = new SeededRandom(seed);
  const nowMs = Date.now();
  const began = nowMs - daysMs;
  const events: LedgerEvent[] = devices.map((device) => ({ type: "device", atMs: began, owner: "", device }));
  const owner = (atMs: number, device: string, state: "busy" | "idle") =>
    events.push({ type: "owner", atMs: Math.min(nowMs, atMs), device, state, reason: "bench" });
  for (const { uuid } of devices) {
    owner(began, uuid, "idle");
    for (let stay = 0; stay < staysPerDevice; stay++) {
      const atMs = began + random.below(daysMs);
      owner(atMs, uuid, "busy");
      owner(atMs + stayMs, uuid, "idle");
    }
  }
  events.sort((a, b) => a.atMs - b.atMs);
  events.push({ type: "alive", atMs: nowMs });
  const books = openBooks(path);
  for (let from = 0; from < events.length; from += 10_000)
    books.apply(events.slice(from, from + 10_000).map((event, at) => ({ id: `1-${from + at + 1}`, event })));
  books.close();
}
