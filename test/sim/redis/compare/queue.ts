import { setImmediate as realTurn } from "node:timers/promises";
import fc from "fast-check";
import { parseSettings } from "../../../../src/config/settings.ts";
import type { TerminalGuestState } from "../../../../src/core/guest.ts";
import { GleanerError } from "../../../../src/errors/gleaner-error.ts";
import {
  openGuestQueue,
  type GuestQueue,
  type LaneConnection,
  type QueueIds,
} from "../../../../src/queue/guest-queue.ts";
import { queueKeys } from "../../../../src/queue/keys.ts";
import { laneIdOf } from "../../../../src/queue/lane.ts";
import { systemClock, type Clock } from "../../../../src/runtime/clock.ts";
import { guestSpec } from "../../../support/queue.ts";
import { Random } from "../../world/random.ts";
import { outcomeOf } from "./twins.ts";

const nth = fc.nat(9);
const wish = fc.record({
  tenant: fc.constantFrom("acme", "acme", "bolt"),
  priority: fc.constantFrom(10, 50, 50, 50),
  retries: fc.nat(1),
  key: fc.constantFrom("", "", "k1", "k2"),
  notBeforeMs: fc.constantFrom(null, null, null, 3_000),
});
const ended = fc.constantFrom<TerminalGuestState>("succeeded", "failed", "cancelled");

export const queueStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      wishes: fc.array(wish, { minLength: 1, maxLength: 6 }),
    }),
  },
  /** The submitter dies between the admission and the jobs. */
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("half-submit" as const),
      wishes: fc.array(wish, { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("refill" as const) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("admit" as const), nth }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("admit all" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("put back" as const),
      nth,
      delayMs: fc.constantFrom(0, 0, 4_000),
    }),
  },
  /** More of one lane run than may wait at its head, and are put back together. */
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("mass eviction" as const),
      delayMs: fc.constantFrom(0, 4_000),
      locksLost: fc.constantFrom(0, 1, 3),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("finish" as const), nth, state: ended }) },
  /** What the books say, by which alone a guest leaves the queue. */
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("record" as const),
      nth,
      endedAtMs: fc.constantFrom(7, 7, null),
    }),
  },
  /** By a leader that does not know that it was deposed. */
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("former finishes" as const), nth, state: ended }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("former renews" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), nth }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("reconcile" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("renew" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose locks" as const), count: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      tenant: fc.constantFrom("", "acme"),
      after: fc.nat(5),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("take over" as const),
      live: fc.array(nth),
      done: nth,
      state: ended,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 2_500, 70_000) }),
  },
);
export type QueueStep = typeof queueStep extends fc.Arbitrary<infer T> ? T : never;

/** One zone's queue, led by one after the other, with the ids that the seed gives. */
export class LedQueue {
  readonly #zone: string;
  readonly #connect: (clock: Clock) => Promise<LaneConnection>;
  readonly #ids: QueueIds;
  readonly #clock: Clock;
  readonly #guests: string[] = [];
  #queue!: GuestQueue;
  #former!: GuestQueue;
  #isTorn = false;

  private constructor(zone: string, connect: (clock: Clock) => Promise<LaneConnection>) {
    this.#zone = zone;
    this.#connect = connect;
    const random = new Random(1);
    const letters = () => Array.from({ length: 12 }, () => "abcdefghijklmnop"[random.int(0, 15)]).join("");
    this.#ids = { newId: () => random.uuid(), newGuestId: (lane) => `${lane.id}-${letters()}` };
    this.#clock = { ...systemClock, wallMs: () => Date.now(), turn: () => realTurn() };
  }

  static async open(zone: string, connect: (clock: Clock) => Promise<LaneConnection>): Promise<LedQueue> {
    const queue = new LedQueue(zone, connect);
    queue.#former = queue.#queue = await queue.#lead();
    return queue;
  }

  async do(step: QueueStep): Promise<unknown> {
    const queue = this.#queue;
    switch (step.kind) {
      case "submit":
        return this.#submit(step.wishes);
      case "half-submit": {
        this.#isTorn = true;
        const answer = await outcomeOf(this.#submit(step.wishes));
        this.#isTorn = false;
        return answer;
      }
      case "refill":
        return [await outcomeOf(queue.refill()), queue.heads()];
      case "admit": {
        const head = queue.heads()[step.nth];
        return head === undefined ? null : [head.id, queue.admit(head.id), queue.placeInTenant(head.id)];
      }
      case "admit all":
        return queue.heads().map(({ id }) => queue.admit(id));
      case "mass eviction": {
        const one = { tenant: "acme", priority: 50, retries: 0, key: "", notBeforeMs: null } as const;
        await this.#submit(Array.from({ length: 6 }, () => one));
        for (let round = 0; round < 3; round += 1) {
          await queue.refill();
          for (const { id } of queue.heads()) queue.admit(id);
        }
        await this.#loseLocks(step.locksLost);
        const putBack = { evictions: 1, workedMs: 7, delayMs: step.delayMs };
        const evicted = this.#guests.slice(-12).map((id) => outcomeOf(queue.putBack(id, putBack)));
        return [await Promise.all(evicted), await outcomeOf(queue.refill()), queue.heads()];
      }
      case "put back":
        await queue.putBack(this.#guest(step.nth), { evictions: 1, workedMs: 7, delayMs: step.delayMs });
        return queue.heads();
      case "finish":
        return [await queue.finish(this.#guest(step.nth), step.state), queue.waitingTotal()];
      case "record":
        return this.#record(this.#guest(step.nth), step.endedAtMs);
      case "former finishes":
        return outcomeOf(this.#former.finish(this.#guest(step.nth), step.state));
      case "former renews":
        return this.#former.renewLocks();
      case "cancel":
        return queue.cancelWaiting(this.#guest(step.nth));
      case "reconcile":
        return queue.reconcile();
      case "renew":
        return queue.renewLocks();
      case "lose locks":
        return this.#loseLocks(step.count);
      case "list": {
        const page = await queue.list({ tenant: step.tenant, afterSequence: step.after, limit: 5 });
        return [page, await queue.openCounts()];
      }
      case "take over": {
        this.#former = queue;
        this.#queue = await this.#lead();
        const liveGuestIds = new Set(step.live.map((at) => this.#guest(at)));
        const done = this.#guest(step.done);
        await this.#record(done, 7);
        const records = new Map([[done, { state: step.state, evictions: 2, workedMs: 9 }]]);
        const recovered = await this.#queue.recover({ liveGuestIds, record: async () => records });
        const { running, ...counts } = recovered;
        return [new Set(running.map(({ id }) => id)), counts];
      }
      case "pass":
        return null;
    }
  }

  async #record(id: string, endedAtMs: number | null): Promise<number> {
    const { redis } = await this.#connect(this.#clock);
    return redis.hset(queueKeys(this.#zone).records, id, JSON.stringify({ endedAtMs }));
  }

  /** Of the newest guests. */
  async #loseLocks(count: number): Promise<number> {
    const { redis } = await this.#connect(this.#clock);
    const { jobs } = queueKeys(this.#zone);
    const ids = Array.from({ length: count }, (_, back) => this.#guest(back));
    return ids.length === 0 ? 0 : redis.del(...ids.map((id) => `${jobs}:${laneIdOf(id)}:${id}:lock`));
  }

  #lead(): Promise<GuestQueue> {
    const { queue: settings } = parseSettings(
      { queue: { headsPerLane: 2, openPerTenantMax: 20, openMax: 30, endedKeptMax: 4, lockMs: 3_600_000 } },
      "test",
    );
    const options = { redisUrl: "", zone: this.#zone, settings, headsMax: 100 };
    const connect = async () => this.#tearable(await this.#connect(this.#clock));
    return openGuestQueue({ ...options, clock: this.#clock, ids: this.#ids }, connect);
  }

  /** `half-submit` needs lanes whose jobs are never added. */
  #tearable({ redis, lanes }: LaneConnection): LaneConnection {
    const add = lanes.add.bind(lanes);
    lanes.add = async (jobs) => {
      if (this.#isTorn) throw new GleanerError("INTERNAL", { problem: "torn" });
      await add(jobs);
    };
    return { redis, lanes };
  }

  async #submit(
    wishes: readonly (typeof wish extends fc.Arbitrary<infer T> ? T : never)[],
  ): Promise<unknown> {
    const outcomes = await this.#queue.submit(
      wishes.map(({ key, notBeforeMs, tenant, priority, retries }) => ({
        idempotencyKey: key,
        spec: guestSpec({
          tenant,
          priority,
          retries,
          notBeforeMs: notBeforeMs === null ? null : Date.now() + notBeforeMs,
        }),
      })),
    );
    for (const outcome of outcomes) if ("id" in outcome) this.#guests.push(outcome.id);
    return outcomes.map((outcome) => ("refused" in outcome ? outcome.refused.code : outcome));
  }

  /** Counted from the newest. */
  #guest(back: number): string {
    return this.#guests.at(-1 - back) ?? "aaaaaaaaaa-aaaaaaaaaaaa";
  }
}
