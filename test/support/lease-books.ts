import type { Redis } from "ioredis";
import { connectRedis, type ConnectOptions } from "../../src/store/connection.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import {
  LeaseStore,
  type Lead,
  type LeaseStep,
  type LendRequest,
  type LendResult,
  type StepResult,
} from "../../src/store/lease-store.ts";
import type { Lease } from "../../src/core/lease.ts";
import type { Settlement, WrittenEvent } from "../../src/core/ledger-event.ts";
import { zoneKeys } from "../../src/store/keys.ts";
import { freshZone } from "./redis.ts";

const bounds = { streamEntriesMax: 10_000, endedKeptMax: 1_000, endedKeptMs: 1_000_000 };

/** The books of a zone that nobody else uses, with its leader. Times are the numbers that the test gives. */
export class TestBooks {
  readonly zone = freshZone();
  readonly redis: Redis;
  readonly store: LeaseStore;
  readonly ledger: LedgerStream;
  epoch = 0;

  private constructor(redis: Redis, changed: Partial<typeof bounds>) {
    this.redis = redis;
    this.store = new LeaseStore(redis, this.zone, { ...bounds, ...changed });
    this.ledger = new LedgerStream(redis, this.zone, { ...bounds, ...changed });
  }

  static async open(
    url: string,
    changed: Partial<typeof bounds> = {},
    connect: Partial<ConnectOptions> = {},
  ): Promise<TestBooks> {
    const books = new TestBooks(await connectRedis(url, { name: "test", ...connect }), changed);
    books.epoch = (await takeLead(books.store, 1)).epoch;
    return books;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.redis.quit();
  }

  request(changed: Partial<LendRequest> & { readonly guestId: string }): LendRequest {
    const grants = changed.grants ?? [{ device: "gpu-0", sharePermille: 1_000, memoryMib: 0 }];
    return {
      epoch: this.epoch,
      tenant: "acme",
      host: "node-1",
      grants,
      memoryLendableMib: grants.map(() => null),
      trustGroup: "acme",
      reasonCode: "fits",
      reason: "the window fits",
      forecastHash: "h",
      ...changed,
    };
  }

  async lend(changed: Partial<LendRequest> & { readonly guestId: string }, atMs = 100): Promise<LendResult> {
    return only(await this.store.lend([this.request(changed)], atMs));
  }

  /** Lends and fails the test where that is refused. */
  async lent(changed: Partial<LendRequest> & { readonly guestId: string }, atMs = 100): Promise<Lease> {
    const result = await this.lend(changed, atMs);
    if ("lent" in result) return result.lent;
    throw new Error(`not lent: ${result.refused}`);
  }

  async step(
    lease: Lease,
    changed: Partial<LeaseStep> & Pick<LeaseStep, "step" | "state">,
  ): Promise<StepResult> {
    return only(await this.store.applySteps([stepOf(lease, changed)]));
  }

  /** Everything in the stream, in order. */
  async events(): Promise<WrittenEvent[]> {
    return (await this.ledger.readAfter("0", bounds.streamEntriesMax)).map(({ event }) => event);
  }
}

/** For the one who leads in a test: again and again, a new reign each time. Throws where another holds the lock. */
export async function takeLead(store: LeaseStore, atMs: number): Promise<Lead> {
  const taken = await store.campaign({ holder: "test", address: "", lockMs: 1_000_000_000 }, atMs);
  if ("heldBy" in taken) throw new Error(`${taken.heldBy} leads`);
  return taken;
}

/** Takes the lead away from whoever has it, and leaves it to the next after a moment. Answers the epoch of that reign. */
export async function depose(redis: Redis, zone: string): Promise<number> {
  const store = new LeaseStore(redis, zone);
  for (;;) {
    // Whoever leads may renew it before we campaign.
    await redis.del(zoneKeys(zone).lock);
    const taken = await store.campaign({ holder: "another", address: "", lockMs: 500 }, Date.now());
    if (!("heldBy" in taken)) return taken.epoch;
  }
}

export function stepOf(
  lease: Lease,
  changed: Partial<LeaseStep> & Pick<LeaseStep, "step" | "state">,
): LeaseStep {
  return {
    leaseId: lease.id,
    token: lease.token,
    mover: "controller",
    detail: "",
    atMs: 200,
    signalToStepMs: null,
    recallId: "",
    settlement: null,
    retries: 0,
    evictionsMax: 100,
    ...changed,
  };
}

export function settlement(outcome: Settlement["outcome"], changed: Partial<Settlement> = {}): Settlement {
  return {
    outcome,
    exitCode: null,
    exitSignal: "",
    checkpointAgeMs: null,
    workedMs: 10,
    vacateMs: null,
    usefulMs: 6,
    lostMs: 4,
    ...changed,
  };
}

function only<T>(results: readonly T[]): T {
  const [result] = results;
  if (result === undefined) throw new Error("no answer");
  return result;
}
