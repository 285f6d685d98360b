import { afterAll, beforeAll, expect, it } from "vitest";
import { CommandOutcome, LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { systemClock, type Clock } from "../../src/runtime/clock.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { fastSettings, startTestController, type TestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { submit, untilAgents, untilGuest, untilState } from "../support/running-guest.ts";

/** What the controller does when time goes by, or the machine's clock jumps. */

let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(async () => {
  await redis.stop();
});

const dutyMs = 1_000;

/** The system's, and as much later as the test says. Duties of every second come soon. */
class LateClock implements Clock {
  monotonicLateMs = 0;
  wallLateMs = 0;
  readonly after: Clock["after"] = (ms, act) => systemClock.after(ms, act);
  readonly turn = () => systemClock.turn();
  #slept: (() => void)[] = [];

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.monotonicLateMs;
  }

  wallMs(): number {
    return systemClock.wallMs() + this.wallLateMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms === dutyMs) for (const tell of this.#slept.splice(0)) tell();
    await systemClock.sleep(ms === dutyMs ? 10 : ms, signal);
  }

  /** Resolves when each duty of every second was done since the call. */
  async duties(): Promise<void> {
    // Some of them end at each; there are fewer than ten.
    for (let left = 10; left > 0; left -= 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#slept.push(resolve);
      await promise;
    }
  }
}

async function withAgent(clock: Clock, overrides: Parameters<typeof fastSettings>[0] = {}) {
  const client = await connectRedis(redis.url, { name: "test" });
  await client.flushall();
  client.disconnect();
  // A jump of the clock would end the lead as well, and rightly so.
  const settings = { ...fastSettings(overrides), lead: { lockMs: 3_600_000, renewIntervalMs: 500 } };
  const test = await startTestController({ redisUrl: redis.url, clock, settings });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  return { test, peer };
}

async function withLease(clock: Clock) {
  const { test, peer } = await withAgent(clock);
  const id = await submit(test);
  await untilState(test, id, GuestState.RUNNING);
  return { test, peer, id, lease: [...peer.leases.values()][0]! };
}

/** Resolves after a cycle that began at or after the call: it is woken by a sample and takes in all that is known. */
async function cycles(test: TestController, peer: AgentPeer): Promise<void> {
  peer.sample(0);
  await peer.heard();
  const seen = async () => (await fetch(`http://${test.controller.httpAddress}/metrics`)).text();
  const count = async () =>
    Number(/^gleaner_cycle_seconds_count(?:\{.*\})? (\d+)/m.exec(await seen())?.[1] ?? 0);
  const before = await count();
  // The one that runs now, and one more.
  while ((await count()) < before + 2);
}

it("asks an agent once to resume until it has answered, and ever more rarely when it refuses", async () => {
  const clock = new LateClock();
  const { test, peer, lease } = await withLease(clock);
  await using _ = test;
  peer.leases.clear(); // it is told, and does nothing by itself
  peer.report(lease, LeaseState.PAUSED, { mover: Mover.ACTIVITY });
  const resumes = () =>
    peer.commands.filter((body) => body.$case === "resume").map(({ value }) => value.header!);
  await peer.until(() => resumes().length === 1);
  const later = async (ms: number) => {
    await peer.heard();
    clock.monotonicLateMs += ms;
    await cycles(test, peer);
    await peer.heard();
    return resumes().length;
  };
  expect(await later(30_000)).toBe(1);

  const refuse = () => peer.answer(resumes().at(-1)!, CommandOutcome.OWNER_FIRST);
  refuse();
  expect(await later(0)).toBe(1);
  expect(await later(2_000)).toBe(2);
  refuse();
  expect(await later(2_000)).toBe(2);
  expect(await later(2_000)).toBe(3);
  peer.report(lease, LeaseState.RUNNING);
  peer.report(lease, LeaseState.PAUSED, { mover: Mover.ACTIVITY });
  await peer.until(() => resumes().length === 4);
  peer.disconnect();
});

it("I3: no jump of the wall clock ends the lease of an agent that is away, and time does", async () => {
  const clock = new LateClock();
  const { test, peer, id, lease } = await withLease(clock);
  await using _ = test;
  peer.disconnect();
  await untilAgents(test, 0);
  clock.wallLateMs = 3_600_000;
  await clock.duties();
  expect((await test.clients.guests.get({ id })).guest).toMatchObject({
    state: GuestState.RUNNING,
    leaseId: lease.header.leaseId,
  });
  clock.monotonicLateMs = 60_000;
  expect(await untilGuest(test, id, ({ evictions }) => evictions === 1)).toMatchObject({ attempts: 1 });
});

it("holds in its report the forecast against what owners did, and what they met against what they allow", async () => {
  const clock = new LateClock();
  const policies = [{ pool: "*", mode: "lend", meetingsPerGpuDayMax: 6, waitedShareMax: 0.25 }];
  const { test, peer } = await withAgent(clock, { policies, telemetry: { staleMs: 40_000 } });
  await using _ = test;
  const ask = (from?: Date) =>
    test.clients.reports.getReport({ from, to: undefined, pricePerGpuHour: 0, pool: "" });
  const minutes = async () => (await ask()).calibration!.total.map(({ count }) => count);
  expect(await minutes()).toEqual([0, 0, 0, 0, 0]);
  // Asked soon after an idle sample; the owner is back within 40 s, and the question of a minute is answered when it is due.
  while ((await minutes())[0] === 0)
    for (const utilPct of [0, 50, 50, 50]) {
      await peer.heard();
      clock.monotonicLateMs += 20_000;
      clock.wallLateMs += 20_000;
      peer.sample(utilPct);
      await peer.heard();
      await minutes();
    }
  const { calibration, pools } = await ask();
  expect(calibration!.total[0]).toMatchObject({ horizonMs: 60_000, came: 1, low: undefined });
  expect(calibration!.total[0]!.said).toBeGreaterThan(0);
  expect(calibration!.pools.map(({ pool }) => pool)).toEqual(pools.map(({ name }) => name));
  expect(calibration!.from!.getTime()).toBeLessThanOrEqual(clock.wallMs() - 80_000);
  // Nobody's guest was there when the owner came back.
  expect(pools[0]).toMatchObject({ meetingsPerGpuDayMax: 6, waitedShareMax: 0.25, waitedShare: 0 });
  expect(pools[0]!.returns).toBeGreaterThan(0);
  // Nothing was answered in a range that is yet to come.
  expect((await ask(new Date(clock.wallMs() + 7_200_000))).calibration!.total[0]!.count).toBe(0);
});
