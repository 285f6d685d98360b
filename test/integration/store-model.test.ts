import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AttemptOutcome, Lease, LeaseState } from "../../src/core/lease.ts";
import { settlement, stepOf, takeLead, TestBooks } from "../support/lease-books.ts";
import { LeaseModel, wordsOf } from "../support/lease-model.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const device = fc.constantFrom("gpu-0", "gpu-1", "gpu-2");
const guestId = fc.constantFrom("a", "b", "c", "d");

const lend = fc.record({
  kind: fc.constant("lend" as const),
  guestId,
  devices: fc.uniqueArray(device, { minLength: 1, maxLength: 2 }),
  sharePermille: fc.constantFrom(250, 400, 600, 1_000),
  memoryMib: fc.constantFrom(0, 10, 60),
  lendableMib: fc.constantFrom(null, 100),
  trustGroup: fc.constantFrom("one", "one", "one", "two"),
  epochsBack: fc.constantFrom(0, 0, 0, 0, 0, 1),
});

const step = fc.record({
  kind: fc.constant("step" as const),
  /** Counted back from the newest lease. */
  leasesBack: fc.nat(3),
  stepsOn: fc.constantFrom(0, 1, 1, 1, 1, 2),
  state: fc.constantFrom<LeaseState>("running", "paused", "vacating", "killing", "released", "quarantined"),
  outcome: fc.option(
    fc.constantFrom<AttemptOutcome>("done", "checkpointed", "evicted", "failed", "cancelled", "lost"),
    {
      freq: 8,
    },
  ),
  exitCode: fc.constantFrom(null, 85),
  hasToken: fc.constantFrom(true, true, true, true, false),
  retries: fc.nat(1),
  evictionsMax: fc.nat(2),
});

const end = fc.record({ kind: fc.constant("end" as const), guestId });

const quarantine = fc.record({
  kind: fc.constant("quarantine" as const),
  device,
  reason: fc.constantFrom("broken", null),
  cause: fc.constantFrom("black_hole", "operator"),
});

const lead = fc.record({ kind: fc.constant("lead" as const), raises: fc.boolean() });

const command = fc.oneof(
  { weight: 6, arbitrary: lend },
  { weight: 8, arbitrary: step },
  { weight: 1, arbitrary: end },
  { weight: 2, arbitrary: quarantine },
  { weight: 1, arbitrary: lead },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Runs the command on both; answers what each said. `leases`: all that were ever lent. */
async function run(
  command: Command,
  books: TestBooks,
  model: LeaseModel,
  leases: Lease[],
): Promise<[unknown, unknown]> {
  switch (command.kind) {
    case "lend": {
      const { devices, sharePermille, memoryMib, lendableMib, epochsBack, ...rest } = command;
      const grants = devices.map((uuid) => ({ device: uuid, sharePermille, memoryMib }));
      const memoryLendableMib = grants.map(() => lendableMib);
      const request = books.request({ ...rest, grants, memoryLendableMib, epoch: books.epoch - epochsBack });
      const result = await books.lend(request);
      if ("lent" in result) {
        const newest = leases.at(-1)?.token;
        if (newest !== undefined) {
          expect(result.lent.token.number).toBeGreaterThan(newest.number);
          expect(result.lent.token.generation).toBeGreaterThanOrEqual(newest.generation);
        }
        expect(result.lent.token.generation).toBe(model.generation);
        leases.push(result.lent);
      }
      return ["lent" in result ? result.lent.id : result.refused, model.lend(request)];
    }
    case "step": {
      const lease = leases.at(-1 - command.leasesBack);
      if (lease === undefined) return [null, null];
      const { state, outcome, exitCode, stepsOn, hasToken, retries, evictionsMax } = command;
      const booked = model.live.get(lease.id) ?? model.unproven.get(lease.id);
      const change = stepOf(lease, {
        step: (booked?.step ?? 0) + stepsOn,
        state,
        detail: "no proof",
        token: hasToken ? lease.token : { ...lease.token, number: lease.token.number - 1 },
        settlement:
          outcome === null || (state !== "released" && state !== "quarantined")
            ? null
            : settlement(outcome, { exitCode }),
        retries,
        evictionsMax,
      });
      const [result] = await books.store.applySteps([change]);
      return [result?.applied === true ? "applied" : result?.why, model.step(lease, change)];
    }
    case "end": {
      const { state } = await books.store.cancel(command.guestId, "acme", "not needed", 1);
      return [state, model.cancel(command.guestId, "not needed")];
    }
    case "quarantine": {
      const { device: uuid, reason, cause } = command;
      await books.store.setQuarantine(uuid, reason, 1, cause);
      model.setQuarantine(uuid, reason, cause);
      return [null, null];
    }
    case "lead": {
      books.epoch = (await takeLead(books.store, 1)).epoch;
      model.epoch += 1;
      if (command.raises) {
        model.generation += 1;
        await books.store.raiseGeneration(model.generation - 1);
      }
      return [books.epoch, model.epoch];
    }
  }
}

async function expectSame(books: TestBooks, model: LeaseModel): Promise<void> {
  const live = await books.store.liveLeases();
  const named = (leases: readonly Lease[]) =>
    new Map(leases.map(({ id, state, step: at }) => [id, [state, at]]));
  const modelled = (leases: LeaseModel["live"]) =>
    new Map([...leases].map(([id, lease]) => [id, [lease.state, lease.step]]));
  expect(named(live)).toEqual(modelled(model.live));
  expect(named(await books.store.unprovenLeases())).toEqual(modelled(model.unproven));
  const reasons = (await books.store.quarantines()).entries().map(([uuid, causes]) => {
    const byName = [...causes].map(([cause, { reason }]): [string, string] => [cause, reason]);
    return [uuid, new Map(byName)] as const;
  });
  expect(new Map(reasons)).toEqual(model.quarantines);
  const records = await books.store.guestRecords(["a", "b", "c", "d"]);
  expect([...records.keys()].toSorted()).toEqual([...model.guests.keys()].toSorted());
  for (const [id, { ended, ...guest }] of model.guests) {
    expect(records.get(id)).toMatchObject(guest);
    expect(records.get(id)?.endedAtMs !== null).toBe(ended);
  }
  expect((await books.events()).map(wordsOf)).toEqual(model.events);
}

it("I1 I2 I3 I9 I10: any sequence of commands leaves books and ledger as the model has them", async () => {
  const lent: number[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 30, size: "max" }), async (commands) => {
      await using books = await TestBooks.open(redis.url);
      const model = new LeaseModel();
      const leases: Lease[] = [];
      for (const next of commands) {
        const [real, expected] = await run(next, books, model, leases);
        expect({ next, answer: real }).toEqual({ next, answer: expected });
      }
      await expectSame(books, model);
      lent.push(leases.length);
    }),
    { numRuns: 200 },
  );
  // The property would hold for scripts that refuse everything.
  expect(Math.max(...lent)).toBeGreaterThan(1);
});
