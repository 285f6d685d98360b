import { GuestState, type Guest } from "../../src/gen/gleaner/v1/guests.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { AgentPeer, type PeerLease } from "./agent-peer.ts";
import { processGuest, startTestController, type TestController } from "./controller.ts";
import type { TestRedis } from "./redis.ts";

export async function submit(test: TestController, more = {}): Promise<string> {
  const { guest } = await test.clients.guests.submit({ spec: processGuest(more), idempotencyKey: "" });
  return guest!.id;
}

/** Resolves with the first view of the guest that the condition holds for. */
export async function untilGuest(
  test: TestController,
  id: string,
  condition: (guest: Guest) => boolean,
): Promise<Guest> {
  for await (const { guest } of test.clients.guests.watch({ ids: [id], tenant: "", changesOnly: false }))
    if (guest !== undefined && condition(guest)) return guest;
  throw new Error("the watch ended");
}

export function untilState(test: TestController, id: string, ...states: GuestState[]): Promise<Guest> {
  return untilGuest(test, id, ({ state }) => states.includes(state));
}

export async function untilAgents(test: TestController, count: number): Promise<void> {
  for await (const { agents } of test.clients.reports.watchFleet({ intervalMs: 100 }))
    if (agents === count) return;
}

/** A controller on a Redis of its own, an agent of one idle device, and a guest that runs there. */
export async function withRunningGuest(own: TestRedis) {
  const client = await connectRedis(own.url, { name: "test" });
  await client.flushall();
  client.disconnect();
  const test = await startTestController({ redisUrl: own.url });
  const peer = new AgentPeer({ host: "host-a", devices: ["GPU-1"] });
  await peer.connect(test.controller.apiAddress);
  peer.sample(0);
  const id = await submit(test);
  await untilState(test, id, GuestState.RUNNING);
  const lease = [...peer.leases.values()][0]!;
  await peer.until(() => acknowledged(peer, lease) === lease.step);
  const end = async () => {
    peer.disconnect();
    await test.stop();
  };
  return { test, peer, id, lease, [Symbol.asyncDispose]: end };
}

/** The largest step of the lease that the controller acknowledged. */
export function acknowledged(peer: AgentPeer, { header }: PeerLease): number {
  const steps = peer.commands.map((body) =>
    body.$case === "leaseReportAck" && body.value.leaseId === header.leaseId ? body.value.step : 0,
  );
  return Math.max(0, ...steps);
}

/** Answers to renewals that named the lease. */
export function renewals(peer: AgentPeer, { header }: PeerLease): number {
  return peer.commands.filter(
    (body) => body.$case === "termsRenewed" && body.value.leaseIds.includes(header.leaseId),
  ).length;
}
