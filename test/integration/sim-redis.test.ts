import fc from "fast-check";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { BullLaneQueues } from "../../src/queue/bull-lane-queues.ts";
import { queueKeys } from "../../src/queue/keys.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { booksStep, Stores, type BooksStep } from "../sim/redis/compare/books.ts";
import { inAnyOrder, primitive } from "../sim/redis/compare/primitives.ts";
import { LedQueue, queueStep } from "../sim/redis/compare/queue.ts";
import { Twins } from "../sim/redis/compare/twins.ts";
import { SimLaneQueues } from "../sim/redis/lanes.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());
afterEach(() => {
  vi.useRealTimers();
});

it("the model answers every command as Redis does", async () => {
  await using twins = await Twins.open(redis.url);
  await fc.assert(
    fc.asyncProperty(fc.array(primitive, { minLength: 20, maxLength: 60, size: "max" }), async (commands) => {
      const prefix = `${freshZone()}:`;
      for (const [name, ...args] of commands) {
        const keys = name === "rpoplpush" ? 2 : 1;
        const words = args.map((arg, at) => (at < keys ? prefix + String(arg) : arg));
        const [real, sim] = await twins.both(
          () => twins.real.call(name, ...words),
          () => twins.sim.call(name, ...words),
        );
        expect([name, ...words, inAnyOrder(name, sim)]).toEqual([name, ...words, inAnyOrder(name, real)]);
      }
      const [real, sim] = await twins.dumps(prefix);
      expect(sim).toEqual(real);
    }),
    { numRuns: 60 },
  );
});

it("the model's books are Redis' own after any sequence of scripts", async () => {
  await using twins = await Twins.open(redis.url);
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(booksStep, { minLength: 10, maxLength: 60, size: "max" }),
      fc.constantFrom(10, 1_000),
      async (steps, entriesMax) => {
        const zone = freshZone();
        const [real, sim] = [
          new Stores(twins.real, zone, entriesMax),
          new Stores(twins.sim.asRedis, zone, entriesMax),
        ];
        const first: BooksStep = { kind: "lead", above: 0, endedKeptMax: 4 };
        for (const [atMs, step] of [first, ...steps].entries()) {
          const answers = await twins.both(
            () => real.do(step, atMs),
            () => sim.do(step, atMs),
          );
          expect([step, answers[1]]).toEqual([step, answers[0]]);
          for (const word of JSON.stringify(answers[0])?.match(/"[a-z]+(_[a-z]+)+"/g) ?? []) seen.add(word);
        }
        const readings = await twins.both(
          () => real.read(),
          () => sim.read(),
        );
        expect(readings[1]).toEqual(readings[0]);
        const [dump, simDump] = await twins.dumps(zoneKeys(zone).lead.replace(/lead$/, ""));
        expect(simDump).toEqual(dump);
      },
    ),
    { numRuns: 120 },
  );
  // Sequences that come to nothing would agree too.
  const refusals = [
    "guest_has_lease",
    "guest_ended",
    "ledger_full",
    "share_taken",
    "stale_token",
    "bad_transition",
  ];
  expect([...seen]).toEqual(expect.arrayContaining(refusals.map((refusal) => `"${refusal}"`)));
});

it("the model's queue is BullMQ's own after any sequence of submitting, claiming, putting back and taking over", async () => {
  await using twins = await Twins.open(redis.url);
  vi.useFakeTimers({ toFake: ["Date"] });
  await fc.assert(
    fc.asyncProperty(fc.array(queueStep, { minLength: 10, maxLength: 50, size: "max" }), async (steps) => {
      const zone = freshZone();
      const keys = queueKeys(zone);
      const parts = { keys, lockMs: 3_600_000 };
      const real = await LedQueue.open(zone, async () => ({
        redis: twins.real,
        lanes: await BullLaneQueues.open({ redis: twins.real, ...parts }),
      }));
      const client = twins.sim.asRedis;
      const sim = await LedQueue.open(zone, async (clock) => ({
        redis: client,
        lanes: new SimLaneQueues({ redis: client, clock, ...parts }),
      }));
      for (const step of steps) {
        if (step.kind === "pass") vi.setSystemTime(Date.now() + step.ms);
        const answers = await twins.both(
          () => real.do(step),
          () => sim.do(step),
        );
        expect([step, answers[1]]).toEqual([step, answers[0]]);
      }
      const [dump, simDump] = await twins.dumps(keys.jobs);
      expect(simDump).toEqual(dump);
    }),
    { numRuns: 100 },
  );
});
