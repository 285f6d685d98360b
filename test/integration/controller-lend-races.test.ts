import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestState, type Guest } from "../../src/gen/gleaner/v1/guests.ts";
import { Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { startTestController, type TestController } from "../support/controller.ts";
import { RedisGate } from "../support/redis-gate.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";
import { submit, untilAgents, untilGuest } from "../support/running-guest.ts";

/** What an owner says, or an agent does, while a lend is on its way. The guest is never started, and loses nothing. */

let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(async () => {
  await redis.stop();
});

const target = { scope: { $case: "devices" as const, value: { uuids: ["GPU-1"] } } };

type Signal = (test: TestController, peer: AgentPeer) => Promise<unknown>;

/** Each resolves when the controller has it in memory; what it writes waits behind the gate. */
const signals: Record<string, Signal> = {
  "a recall": async ({ clients }) => {
    const order = { target, deadlineMs: 1_000, firstRung: Rung.PAUSE, reason: "test", holdMs: 60_000 };
    for await (const _ of clients.owners.recall(order));
  },
  "a hold": async ({ clients }) => {
    void clients.owners.hold({ target, ttlMs: 60_000, reason: "test", recall: false });
    // Answered after the hold was taken: both come by one connection.
    while ((await clients.owners.listHolds({})).holds.length === 0);
  },
  "a Busy hint": async ({ clients }) => {
    void clients.owners.busy({ target, ttlMs: 60_000, reason: "test" });
    await clients.owners.listHolds({});
  },
  "an agent's leave": async (test, peer) => {
    peer.disconnect();
    await untilAgents(test, 0);
  },
};

async function waitsWith(signal: Signal, marker: string, attempts: number): Promise<void> {
  const client = await connectRedis(redis.url, { name: "test" });
  await client.flushall();
  client.disconnect();
  await using gate = await RedisGate.open(redis.url);
  await using test = await startTestController({ redisUrl: gate.url });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  await peer.heard();
  const held = gate.held(marker);
  const id = await submit(test);
  const release = await held;
  await signal(test, peer);
  release();

  const gaveBack = ({ state, attempts: lent }: Guest) => state === GuestState.WAITING && lent === attempts;
  expect(await untilGuest(test, id, gaveBack)).toMatchObject({ evictions: 0, failures: 0 });
  while ((await test.clients.guests.explain({ id })).obstacles.length === 0);
  expect((await test.clients.guests.get({ id })).guest).toMatchObject({ attempts, evictions: 0 });
  expect(peer.commands.filter(({ $case }) => $case === "start")).toEqual([]);
  peer.disconnect();
}

describe.each(Object.entries(signals))("%s", (_, signal) => {
  it("that comes when a lend was decided and is not asked for yet keeps it from being booked", () =>
    waitsWith(signal, "xlen", 0));

  it("that comes while the books write the lend has it given back without a start", () =>
    waitsWith(signal, '"reasonCode"', 1));
});
