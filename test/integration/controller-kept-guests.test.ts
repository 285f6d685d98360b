import { afterAll, beforeAll, expect, it } from "vitest";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { processGuest, startTestController } from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(async () => {
  await redis.stop();
});

it("tells an agent which of the guests whose checkpoints it keeps will never run again", async () => {
  await using test = await startTestController({ redisUrl: redis.url });
  const submit = async () => {
    const { guest } = await test.clients.guests.submit({ spec: processGuest(), idempotencyKey: "" });
    return guest!.id;
  };
  const [running, waiting, cancelled] = [await submit(), await submit(), await submit()];
  await test.clients.guests.cancel({ id: cancelled, reason: "" });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  for await (const { guest } of test.clients.guests.watch({ ids: [running], tenant: "", changesOnly: false }))
    if (guest?.state === GuestState.RUNNING) break;

  const ended = await peer.endedAmong([running, waiting, cancelled, "never-heard-of"]);
  expect(ended).toEqual([
    { guestId: cancelled, ageMs: expect.any(Number) },
    { guestId: "never-heard-of", ageMs: undefined },
  ]);
  peer.disconnect();
});
