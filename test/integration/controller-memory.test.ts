import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { RecallStage, Rung } from "../../src/gen/gleaner/v1/owners.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import {
  fastSettings,
  processGuest,
  startTestController,
  type TestController,
} from "../support/controller.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

const device = "GPU-1";
const sampleIntervalMs = 20;
const { recall, telemetry } = fastSettings();

const settings = (memoryProofMs: number) =>
  fastSettings({
    telemetry: { ...telemetry, sampleIntervalMs },
    recall: { ...recall, memoryProofMs, memoryToleranceMib: 256 },
    policies: [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: 5_000, returnSignal: "call" }],
  });

let redis: TestRedis;
let dataDir: string;

beforeAll(async () => {
  redis = await startTestRedis();
});

afterAll(async () => {
  await redis.stop();
});

beforeEach(async () => {
  const client = new Redis(redis.url);
  await client.flushall();
  client.disconnect();
  dataDir = mkdtempSync(join(tmpdir(), "gleaner-memory-"));
  return () => rmSync(dataDir, { recursive: true, force: true });
});

function start(memoryProofMs: number): Promise<TestController> {
  return startTestController({ redisUrl: redis.url, dataDir, settings: settings(memoryProofMs) });
}

async function submit(test: TestController): Promise<string> {
  const { guest } = await test.clients.guests.submit({ spec: processGuest(), idempotencyKey: "" });
  return guest!.id;
}

async function untilState(test: TestController, id: string, state: GuestState): Promise<void> {
  for await (const { guest } of test.clients.guests.watch({ ids: [id], tenant: "", changesOnly: false }))
    if (guest?.state === state) return;
}

/** Reads the device over and over until the waiting guest is told this. */
async function untilExplained(
  test: TestController,
  peer: AgentPeer,
  id: string,
  code: string,
  mib: number | null,
) {
  for (;;) {
    peer.sample(0, [device], mib);
    const { obstacles } = await test.clients.guests.explain({ id });
    const found = obstacles.find(({ reasonCode }) => reasonCode === code);
    if (found !== undefined) return found;
  }
}

async function untilRunning(test: TestController, peer: AgentPeer, id: string, mib: number): Promise<void> {
  const reading = setInterval(() => peer.sample(0, [device], mib), sampleIntervalMs);
  await untilState(test, id, GuestState.RUNNING);
  clearInterval(reading);
}

/** A guest held 30 GiB of the device and has ended; another one waits. */
async function afterAGuest(test: TestController): Promise<{ peer: AgentPeer; waiting: string }> {
  const peer = new AgentPeer({ host: "host-a", devices: [device] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0, [device], 1_000);
  const first = await submit(test);
  await untilState(test, first, GuestState.RUNNING);
  peer.sample(90, [device], 31_000);
  const waiting = await submit(test);
  peer.report([...peer.leases.values()][0]!, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 0 });
  await untilState(test, first, GuestState.SUCCEEDED);
  return { peer, waiting };
}

describe("the memory part of the hand-back", () => {
  it("I10: a device is not lent again before its memory is seen to be free", async () => {
    await using test = await start(60_000);
    const { peer, waiting } = await afterAGuest(test);
    await untilExplained(test, peer, waiting, "cool_down", 31_000);
    await untilExplained(test, peer, waiting, "cool_down", null);
    await untilRunning(test, peer, waiting, 1_100);
    peer.disconnect();
  });

  it("I10: memory that stays is a quarantine with its numbers, until it is free", async () => {
    await using test = await start(100);
    const { peer, waiting } = await afterAGuest(test);
    await untilExplained(test, peer, waiting, "quarantined", 31_000);
    await untilRunning(test, peer, waiting, 1_000);
    peer.disconnect();
  });

  it("I10: the next leader asks for the same proof", async () => {
    const before = await start(60_000);
    const { peer, waiting } = await afterAGuest(before);
    await untilExplained(before, peer, waiting, "cool_down", 31_000);
    await before.stop();
    peer.disconnect();
    await using test = await start(60_000);
    await peer.connect(test.controller.apiAddress);
    await untilExplained(test, peer, waiting, "cool_down", 31_000);
    await untilRunning(test, peer, waiting, 1_000);
    peer.disconnect();
  });

  it("is not asked of a device on which the owner has worked since", async () => {
    await using test = await start(100);
    const { peer, waiting } = await afterAGuest(test);
    await untilExplained(test, peer, waiting, "quarantined", 31_000);
    peer.sample(50, [device], 40_000);
    await untilRunning(test, peer, waiting, 40_000);
    peer.disconnect();
  });

  it("I5: an owner who recalls the device does not wait for it", async () => {
    await using test = await start(60_000);
    const peer = new AgentPeer({ host: "host-a", devices: [device] });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0, [device], 1_000);
    await untilState(test, await submit(test), GuestState.RUNNING);
    peer.sample(90, [device], 31_000);
    const waiting = await submit(test);
    const stages: RecallStage[] = [];
    const target = { scope: { $case: "devices" as const, value: { uuids: [device] } } };
    const wish = { target, deadlineMs: 3_000, firstRung: Rung.VACATE, reason: "test", holdMs: 0 };
    for await (const { stage } of test.clients.owners.recall(wish)) stages.push(stage);
    expect(stages.at(-1)).toBe(RecallStage.RELEASED);
    await untilExplained(test, peer, waiting, "cool_down", 31_000);
    peer.disconnect();
  });
});
