import { it } from "vitest";
import type { LedgerEvent } from "../../src/core/ledger-event.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { fastSettings, startTestController, type TestController } from "../support/controller.ts";
import { startTestRedis } from "../support/redis.ts";
import { submit, untilState } from "../support/running-guest.ts";

const devices = ["GPU-1", "GPU-2", "GPU-3", "GPU-4"];
const policies = [{ pool: "*", mode: "lend", idleMsMin: 0, recallDeadlineMs: 5_000, waitedShareMax: 0.01 }];

/** An owner that takes one device in four minutes of each hour, up to now. */
function pastEvents(hours: number): LedgerEvent[] {
  const nowMs = Date.now();
  const beganMs = nowMs - hours * 3_600_000;
  const events: LedgerEvent[] = devices.map((uuid, index) => ({
    type: "device",
    atMs: beganMs,
    owner: "",
    device: { uuid, host: "host-a", pool: "serving", model: "", index, memoryTotalMib: null },
  }));
  const owner = (atMs: number, device: string, state: "busy" | "idle") =>
    events.push({ type: "owner", atMs, device, state, reason: "seen" });
  for (const device of devices) owner(beganMs, device, "idle");
  for (let hour = 0; hour < hours; hour++) {
    owner(beganMs + hour * 3_600_000 + 1_000_000, "GPU-1", "busy");
    owner(beganMs + hour * 3_600_000 + 1_240_000, "GPU-1", "idle");
  }
  events.push({ type: "alive", atMs: nowMs });
  return events;
}

it("lends by what the books tell of the last days as soon as it leads: without them it learns for far longer than this test", async () => {
  await using controller = await start(pastEvents(12));
  await untilState(controller.test, controller.id, GuestState.RUNNING);
});

/** A controller that begins, with an agent of four idle devices and a guest that waits for one. */
async function start(
  past: readonly LedgerEvent[],
): Promise<AsyncDisposable & { readonly test: TestController; readonly id: string }> {
  const redis = await startTestRedis();
  const settings = fastSettings({ policies });
  const client = await connectRedis(redis.url, { name: "test" });
  await new LedgerStream(client, settings.zone, settings.ledger).append(past);
  client.disconnect();
  const test = await startTestController({ redisUrl: redis.url, settings });
  const peer = new AgentPeer({ host: "host-a", devices });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  const id = await submit(test);
  const stop = async () => {
    peer.disconnect();
    await test.stop();
    await redis.stop();
  };
  return { test, id, [Symbol.asyncDispose]: stop };
}
