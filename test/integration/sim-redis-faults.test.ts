import { expect, it } from "vitest";
import type { Redis } from "ioredis";
import { LeaseStore } from "../../src/store/lease-store.ts";
import { connectSimRedis } from "../sim/redis/client.ts";
import { networkLink } from "../sim/redis/link.ts";
import { outcomeOf as codeOf } from "../sim/redis/compare/twins.ts";
import { Network } from "../sim/world/network.ts";
import { Life } from "../sim/world/process.ts";
import { Random } from "../sim/world/random.ts";
import { Host } from "../sim/world/host.ts";
import { Scheduler } from "../sim/world/scheduler.ts";
import { SimRedisServer } from "../sim/redis/server.ts";
import { RealRig, SimRig, type Rig } from "../sim/redis/compare/rigs.ts";
import { takeLead } from "../support/lease-books.ts";

type Scenario = (rig: Rig) => Promise<unknown>;

/** Virtual time passes at once: each scenario takes what the real one takes. */
async function inBoth(scenario: Scenario): Promise<[real: unknown, sim: unknown]> {
  await using real = await RealRig.open();
  const sim = new SimRig();
  const end = { isReached: false };
  const answer = scenario(sim).finally(() => {
    end.isReached = true;
  });
  while (!end.isReached) await sim.scheduler.run(sim.scheduler.nowMs + 1, () => end.isReached);
  return [await scenario(real), await answer];
}

async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((thrown: Error) => `${thrown.name}: ${thrown.message}`);
}

const count = (redis: Redis) => outcomeOf(redis.incrby("count", 1));

/** Rounded so that a crowded machine says the same. */
async function tookMs(rig: Rig, act: Promise<unknown>): Promise<number> {
  const startedMs = rig.nowMs();
  await act;
  return Math.round((rig.nowMs() - startedMs) / 1_500) * 1_500;
}

const scenarios: Record<string, { readonly act: Scenario; readonly answer: unknown }> = {
  "a command whose answer is lost with the connection is carried out again": {
    act: async (rig) => {
      const redis = await rig.connect(5_000);
      rig.breakAfter(0);
      return [await count(redis), await count(redis)];
    },
    answer: [2, 3],
  },
  "of a pipeline that is half answered the rest is given up, though it was carried out": {
    act: async (rig) => {
      const redis = await rig.connect(5_000);
      await count(redis);
      rig.breakAfter(2);
      const replies = await redis.pipeline().incrby("count", 1).incrby("count", 1).incrby("count", 1).exec();
      return [replies?.map(([error, reply]) => error?.name ?? reply), await count(redis)];
    },
    answer: [[2, 3, "AbortError"], 5],
  },
  "a pipeline of which nothing is answered is carried out again as a whole": {
    act: async (rig) => {
      const redis = await rig.connect(5_000);
      rig.breakAfter(0);
      const replies = await redis.pipeline().incrby("count", 1).incrby("count", 1).exec();
      return replies?.map(([error, reply]) => error?.name ?? reply);
    },
    answer: [3, 4],
  },
  "while Redis is away a command is given up after seven tries": {
    act: async (rig) => {
      const redis = await rig.connect(5_000);
      redis.on("error", () => {});
      await rig.down();
      const answer = count(redis);
      return [await tookMs(rig, answer), await answer];
    },
    answer: [
      3_000,
      expect.stringMatching(/MaxRetriesPerRequestError: Reached the max retries per request limit/),
    ],
  },
  "a command that ran out of time while Redis was away is carried out when it is back": {
    act: async (rig) => {
      const redis = await rig.connect(300);
      redis.on("error", () => {});
      await rig.down();
      const answer = await count(redis);
      await rig.up();
      while (redis.status !== "ready") await rig.after(10);
      return [answer, await redis.get("count")];
    },
    answer: ["Error: Command timed out", "1"],
  },
  "a command that ran out of time while Redis stood still is carried out when it goes on": {
    act: async (rig) => {
      const redis = await rig.connect(300);
      rig.freeze();
      const answer = await count(redis);
      rig.thaw();
      return [answer, await redis.get("count")];
    },
    answer: ["Error: Command timed out", "1"],
  },
  "a write that is refused as read-only is sent until it is taken": {
    act: async (rig) => {
      const redis = await rig.connect(5_000);
      redis.on("error", () => {});
      await rig.setReadOnly(true);
      const answer = count(redis);
      await rig.after(200);
      await rig.setReadOnly(false);
      return answer;
    },
    answer: 1,
  },
  "who hung up is told that the connection is closed": {
    act: async (rig) => {
      const redis = await rig.connect(5_000);
      const before = count(redis);
      redis.disconnect();
      const answer = await before;
      await rig.after(50);
      return [answer, redis.status, await count(redis)];
    },
    answer: [expect.anything(), "end", "Error: Connection is closed."],
  },
};

it.concurrent.each(Object.entries(scenarios))("%s, in the model too", async (_, { act, answer }) => {
  const [real, sim] = await inBoth(act);
  expect(real).toEqual(answer);
  expect(sim).toEqual(answer);
});

interface Aging {
  readonly server: SimRedisServer;
  readonly host: Host;
  /** Ms of virtual time. */
  readonly pass: (ms: number) => Promise<void>;
}

/** Counts in "count" once every 100 ms for 100 s, so that what is left of it tells how much was lost. */
async function agedServer(): Promise<Aging> {
  const scheduler = new Scheduler();
  const host = new Host("redis", scheduler, 1_000_000);
  const server = new SimRedisServer({ host, scheduler });
  const pass = (ms: number) => scheduler.run(scheduler.nowMs + ms, () => false);
  for (let i = 0; i < 1_000; i += 1) {
    server.execute("incrby", ["count", "1"]);
    server.execute("hset", ["hash", String(i), "x"]);
    server.execute("xadd", ["stream", "*", "e", String(i)]);
    await pass(100);
  }
  return { server, host, pass };
}

it("the model comes back without its last two seconds, and whole but for them", async () => {
  const { server, pass } = await agedServer();
  server.crash();
  await pass(60_000);
  server.restart(2_000);
  const left = ["count", "hash", "stream"].map((key, i) =>
    server.execute(["get", "hlen", "xlen"][i]!, [key]),
  );
  expect(left).toEqual(["981", 981, 981]);
  server.execute("incrby", ["count", "5"]);
  server.restart();
  expect(server.execute("get", ["count"])).toBe("986");
});

it("the model can come back older, empty, or refuse what writes", async () => {
  const { server } = await agedServer();
  server.restoreSnapshot(70_000);
  expect(server.execute("get", ["count"])).toBe("301");
  expect(server.execute("xadd", ["stream", "*", "e", "again"])).toMatch(/^1100000-/);
  server.goReadOnly();
  expect(() => server.execute("hset", ["hash", "a", "x"])).toThrow("READONLY");
  expect(server.execute("hlen", ["hash"])).toBe(301);
  server.wipe();
  expect(server.space.keys()).toEqual([]);
  server.execute("hset", ["hash", "a", "x"]);
});

it("in the model keys expire by its own machine's clock, and entries are named after it but never go back", async () => {
  const { server, host, pass } = await agedServer();
  server.execute("set", ["lock", "me", "PX", "30000"]);
  await pass(29_000);
  expect(server.execute("pttl", ["lock"])).toBe(1_000);
  host.jump(-10_000);
  const [before, after] = [1, 2].map(() => String(server.execute("xadd", ["stream", "*", "e", "x"])));
  expect([before, after].map((id) => id?.split("-")[0])).toEqual(["1119000", "1119000"]);
  expect(before).not.toBe(after);
  expect(server.execute("get", ["lock"])).toBe("me");
  host.jump(11_000);
  expect(server.execute("get", ["lock"])).toBe(null);
});

/** What a leader is answered while the network breaks and Redis dies again and again, and when. */
async function stormyHistory(seed: number): Promise<string[]> {
  const scheduler = new Scheduler();
  const random = new Random(seed);
  const network = new Network(scheduler, random.fork("network"), { delayMs: 3, breaks: 0.05 });
  const server = new SimRedisServer({ host: new Host("redis", scheduler, 0), scheduler, commandsPerTurn: 2 });
  const life = new Life(new Host("node", scheduler, 0), scheduler);
  const link = networkLink(network, "node", "redis", random.fork("link"));
  const history: string[] = [];
  const tell = (word: unknown) => history.push(`${scheduler.nowMs.toFixed(3)} ${JSON.stringify(word)}`);
  const lead = async () => {
    const redis = await connectSimRedis(server, life, link, { name: "leader" });
    const store = new LeaseStore(redis, "zone", undefined, () => random.uuid());
    for (let i = 0; i < 40; i += 1) {
      tell(await codeOf(takeLead(store, i)));
      const requests = ["a", "b", "c"].map((name) => ({
        epoch: store.epoch,
        guestId: `${name}${i}`,
        tenant: "acme",
        host: "node",
        grants: [{ device: `gpu-${name}${i}`, sharePermille: 1_000, memoryMib: 0 }],
        memoryLendableMib: [null],
        trustGroup: "acme",
        reasonCode: "fits",
        reason: "",
        forecastHash: "",
      }));
      tell(await codeOf(store.lend(requests, i)));
      await life.waits(500);
    }
    tell("done");
  };
  const storm = () => {
    server.crash();
    life.after(random.between(0, 6_000), () => {
      server.restart(random.int(0, 2_000));
      life.after(random.exponential(3_000), storm);
    });
  };
  life.after(1_000, storm);
  void lead();
  await scheduler.run(3_600_000, () => history.at(-1)?.endsWith('"done"') === true);
  return history;
}

it("the same seed gives the same history, in which everything is answered", async () => {
  const [first, again, other] = [await stormyHistory(7), await stormyHistory(7), await stormyHistory(8)];
  expect(first.at(-1)).toMatch(/"done"$/);
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
  expect(first.join()).toContain("REDIS_UNREACHABLE");
});
