import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import {
  fastSettings,
  processGuest,
  startTestController,
  type TestController,
} from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let test: TestController;

beforeAll(async () => {
  redis = await startTestRedis();
  const client = await connectRedis(redis.url, { name: "test" });
  await client.flushall();
  client.disconnect();
  const policies = ["*", "render"].map((pool) => ({
    pool,
    mode: "lend",
    idleMsMin: 0,
    recallDeadlineMs: 5_000,
  }));
  test = await startTestController({ redisUrl: redis.url, settings: fastSettings({ policies }) });
});

afterAll(async () => {
  await test.stop();
  await redis.stop();
});

const pool = (name: string) => ({
  target: { scope: { $case: "pool" as const, value: { pool: name, devices: 0 } } },
});

describe("an owner whose agents are not up yet", () => {
  it("may announce work on a pool that a policy names, and nothing is lent there until it is done", async () => {
    const { owners, guests } = test.clients;
    expect(await owners.busy({ ...pool("render"), ttlMs: 60_000, reason: "" })).toMatchObject({
      devicesPaused: 0,
    });
    const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"], pool: "render" });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const { guest } = await guests.submit({ spec: processGuest(), idempotencyKey: "" });
    const id = guest!.id;
    let obstacles: readonly { readonly reasonCode: string }[] = [];
    while (obstacles.length === 0) ({ obstacles } = await guests.explain({ id }));
    expect(obstacles).toMatchObject([{ reasonCode: "hinted" }]);
    expect(await owners.idle(pool("render"))).toEqual({ hintsEnded: 1, recallsWithdrawn: 0 });
    for await (const change of guests.watch({ ids: [id], tenant: "", changesOnly: false }))
      if (change.guest?.state === GuestState.RUNNING) break;
    peer.disconnect();
  });

  it("may take the announcement back before they are", async () => {
    await test.clients.owners.setPolicy({ policy: { ...(await policyOf("render")), pool: "farm" } });
    await test.clients.owners.busy({ ...pool("farm"), ttlMs: 60_000, reason: "" });
    expect(await test.clients.owners.idle(pool("farm"))).toMatchObject({ hintsEnded: 1 });
  });

  it("is told that a pool is unknown which neither an agent nor a policy names", async () => {
    await expect(test.clients.owners.busy({ ...pool("rendre"), ttlMs: 60_000, reason: "" })).rejects.toThrow(
      /rendre/,
    );
  });
});

async function policyOf(name: string) {
  const { policies } = await test.clients.owners.listPolicies({});
  return policies.find((policy) => policy.pool === name)!;
}
