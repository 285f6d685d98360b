import fc from "fast-check";
import type { Redis } from "ioredis";
import type { AttemptOutcome, Lease, LeaseState } from "../../../../src/core/lease.ts";
import { compareIds, noId } from "../../../../src/report/stream-id.ts";
import { zoneKeys, type ZoneKeys } from "../../../../src/store/keys.ts";
import { LeaseStore, type LendRequest } from "../../../../src/store/lease-store.ts";
import { LedgerStream } from "../../../../src/store/ledger-stream.ts";
import { OwnerStore } from "../../../../src/store/owner-store.ts";
import { TenantUsage } from "../../../../src/store/tenant-usage.ts";
import { settlement, stepOf, takeLead } from "../../../support/lease-books.ts";

const device = fc.constantFrom("gpu-0", "gpu-1", "gpu-2");
const guestId = fc.constantFrom("a", "b", "c", "d", "e");
/** Longer than the 14 digits that Lua keeps, now and then. */
const ms = fc.oneof(fc.nat(100_000), fc.double({ min: 0, max: 1e6, noNaN: true }));

export const booksStep = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("campaign" as const),
      holder: fc.constantFrom("one", "two"),
      afterwards: fc.constantFrom("hold", "release", "nothing"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("lend" as const),
      wishes: fc.array(
        fc.record({
          guestId,
          devices: fc.uniqueArray(device, { minLength: 1, maxLength: 2 }),
          sharePermille: fc.constantFrom(250, 400, 1_000),
          memoryMib: fc.constantFrom(0, 10, 10.123456789012344, 60),
          lendableMib: fc.constantFrom(null, 100),
          trustGroup: fc.constantFrom("one", "one", "two"),
          epochsBack: fc.constantFrom(0, 0, 0, 0, 1),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("step" as const),
      leasesBack: fc.nat(3),
      step: fc.integer({ min: 1, max: 6 }),
      state: fc.constantFrom<LeaseState>("running", "paused", "vacating", "released", "quarantined"),
      outcome: fc.constantFrom<AttemptOutcome | null>(
        "done",
        "checkpointed",
        "evicted",
        "failed",
        "cancelled",
        "lost",
        null,
      ),
      workedMs: ms,
      hasToken: fc.constantFrom(true, true, true, false),
      retries: fc.nat(1),
      evictionsMax: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("again" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), guestId }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("quarantine" as const),
      device,
      reason: fc.constantFrom("broken", "hot", null),
      cause: fc.constantFrom("black_hole", "operator"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("renew" as const), leasesBack: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("memory" as const),
      changes: fc.array(fc.tuple(device, fc.constantFrom(null, 10, 10.5)), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("lead" as const),
      above: fc.nat(4),
      endedKeptMax: fc.constantFrom(1, 4),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("booked" as const),
      reader: fc.constantFrom("one", "two", "three"),
      upTo: fc.nat(5),
      wish: fc.constantFrom("", "w"),
      isFirst: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("hold" as const),
      id: guestId,
      isPut: fc.boolean(),
      atMs: fc.nat(30),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("usage" as const),
      used: fc.dictionary(guestId, fc.nat(1_000)),
    }),
  },
);
export type BooksStep = typeof booksStep extends fc.Arbitrary<infer T> ? T : never;

/** All that keeps its truth in one connection's Redis. */
export class Stores {
  leases: LeaseStore;
  readonly ledger: LedgerStream;
  readonly owners: OwnerStore;
  readonly usage: TenantUsage;
  readonly lent: Lease[] = [];
  epoch = 0;
  readonly #client: Redis;
  readonly #keys: ZoneKeys;
  readonly #leases: (endedKeptMax: number) => LeaseStore;

  constructor(client: Redis, zone: string, streamEntriesMax: number) {
    this.#client = client;
    this.#keys = zoneKeys(zone);
    this.#leases = (endedKeptMax) => {
      const bounds = { streamEntriesMax, endedKeptMax, endedKeptMs: 40 };
      return new LeaseStore(client, zone, bounds, () => "the one");
    };
    this.leases = this.#leases(4);
    this.ledger = new LedgerStream(client, zone, { streamEntriesMax });
    this.owners = new OwnerStore(client, zone);
    this.usage = new TenantUsage(client, zone, { halfLifeMs: 1_000 });
  }

  async do(next: BooksStep, atMs: number): Promise<unknown> {
    switch (next.kind) {
      case "lend": {
        const requests = next.wishes.map(
          ({ devices, sharePermille, memoryMib, lendableMib, epochsBack, ...rest }) => ({
            ...rest,
            epoch: this.epoch - epochsBack,
            tenant: "acme",
            host: "node-1",
            grants: devices.map((uuid) => ({ device: uuid, sharePermille, memoryMib })),
            memoryLendableMib: devices.map(() => lendableMib),
            reasonCode: "fits",
            reason: 'the window "fits" / well',
            forecastHash: "h",
          }),
        );
        const results = await this.leases.lend(requests, atMs);
        for (const result of results) if ("lent" in result) this.lent.push(result.lent);
        return results;
      }
      case "step": {
        const lease = this.lent.at(-1 - next.leasesBack);
        if (lease === undefined) return null;
        const { kind: _, leasesBack: __, outcome, workedMs, hasToken, ...change } = next;
        const token = hasToken ? lease.token : { ...lease.token, number: lease.token.number + 1 };
        const settled = outcome === null ? null : settlement(outcome, { workedMs, usefulMs: workedMs / 3 });
        const step = stepOf(lease, { ...change, token, atMs, detail: "no proof", settlement: settled });
        return this.leases.applySteps([step, step]);
      }
      case "again":
        return [
          await this.#lendOnce(atMs),
          await this.#lendOnce(atMs),
          await this.#stepOnce(),
          await this.#stepOnce(),
        ];
      case "cancel":
        return this.leases.cancel(next.guestId, "acme", `not needed at ${atMs}`, atMs);
      case "quarantine":
        await this.leases.setQuarantine(next.device, next.reason, atMs, next.cause);
        return this.leases.quarantines();
      case "memory":
        await this.leases.setMemoryBefore(next.changes);
        return this.leases.memoryBefore();
      case "renew":
        return this.leases.renew(this.lent.slice(-1 - next.leasesBack).map(({ id }) => id));
      case "lead": {
        this.leases = this.#leases(next.endedKeptMax);
        await this.#client.del(this.#keys.lock);
        const { lost: _, ...lead } = await takeLead(this.leases, atMs);
        const generation = await this.leases.raiseGeneration(next.above, next.above);
        this.epoch = this.leases.epoch;
        return [lead, generation];
      }
      case "campaign": {
        const candidate = { holder: next.holder, address: `at ${next.holder}`, lockMs: 1_000_000_000 };
        const taken = await this.leases.campaign(candidate, atMs);
        this.epoch = this.leases.epoch;
        if (next.afterwards === "hold") await this.leases.holdLock(candidate);
        if (next.afterwards === "release") await this.leases.releaseLock(candidate);
        return "heldBy" in taken ? taken.heldBy : [taken.epoch, taken.generation, taken.number];
      }
      case "append":
        return this.ledger.append(Array.from({ length: next.count }, () => ({ type: "alive", atMs })));
      case "booked": {
        const { reader, upTo, wish, isFirst } = next;
        const entries = await this.ledger.readAfter("0", 100);
        const id = isFirst ? noId : (entries[upTo]?.id ?? noId);
        const forgottenTo = await this.ledger.booked(reader, id, wish);
        // Ids are of the clock.
        const left = [
          Math.sign(compareIds(forgottenTo, id)),
          await this.ledger.length(),
          await this.ledger.wishes(),
        ];
        return [entries.map(({ event }) => event), ...left];
      }
      case "hold": {
        const hold = { id: next.id, target: { kind: "fleet" as const }, reason: "r", createdAtMs: atMs };
        if (next.isPut) await this.owners.putHold({ ...hold, expiresAtMs: next.atMs });
        else await this.owners.removeHold(next.id);
        return this.owners.holds(atMs);
      }
      case "usage": {
        await this.usage.write(new Map(Object.entries(next.used)), atMs);
        return this.usage.read(atMs);
      }
    }
  }

  /** As a request that the driver sends once more: the answer was lost. */
  #lendOnce(atMs: number): Promise<unknown> {
    const { lead, guests, leases, devices, quarantines, ledger } = this.#keys;
    const request: LendRequest & { request: string; reign: string } = {
      epoch: this.epoch,
      reign: `${this.epoch}:the one`,
      guestId: "a",
      tenant: "acme",
      host: "node-1",
      trustGroup: "one",
      reasonCode: "fits",
      reason: "it fits",
      forecastHash: "h",
      grants: [{ device: "gpu-2", sharePermille: 100, memoryMib: 0 }],
      memoryLendableMib: [null],
      request: "again",
    };
    const keys = [lead, guests, leases, devices, quarantines, ledger];
    return this.#client.gleanerLend(...keys, JSON.stringify(request), atMs, 1_000).then(parsed);
  }

  #stepOnce(): Promise<unknown> {
    const lease = this.lent.at(-1);
    if (lease === undefined) return Promise.resolve(null);
    const { lead, guests, ended, leases, unproven, devices, quarantines, ledger } = this.#keys;
    const { id: leaseId, guestId: guest, attempt, token } = lease;
    const now = stepOf(lease, { step: 2, state: "paused" });
    const after = { starting: true, running: true };
    const step = {
      ...now,
      leaseId,
      guestId: guest,
      attempt,
      token,
      after,
      liveGuestState: "paused",
      request: "again",
    };
    const keys = [lead, guests, ended, leases, unproven, devices, quarantines, ledger];
    const args = [`${this.leases.epoch}:the one`, JSON.stringify(step), '{"type":"alive","atMs":7}', 2, 40];
    return this.#client.gleanerApplyStep(...keys, ...args).then(parsed);
  }

  /** All that the books say. */
  async read(): Promise<unknown> {
    return [
      new Set(await this.leases.liveLeases()),
      new Set(await this.leases.unprovenLeases()),
      await this.leases.quarantines(),
      await this.leases.guestRecords(["a", "b", "c", "d", "e"]),
    ];
  }
}

function parsed([answer, detail]: [string, string]): unknown {
  return [answer, answer === "refused" ? detail : JSON.parse(detail)];
}
