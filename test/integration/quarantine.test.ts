import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fleet } from "../../src/controller/fleet.ts";
import { Quarantines } from "../../src/controller/quarantine.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createLogger } from "../../src/runtime/log.ts";
import type { Lease } from "../../src/core/lease.ts";
import { LeaseState, Mover } from "../../src/gen/gleaner/v1/agents.ts";
import { GuestState } from "../../src/gen/gleaner/v1/guests.ts";
import { AgentPeer } from "../support/agent-peer.ts";
import { processGuest, startTestController } from "../support/controller.ts";
import { settlement, TestBooks } from "../support/lease-books.ts";
import { startTestRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const forMs = 60_000;
const device = "gpu-0";

/** A controller's quarantines at a time of the wall clock; its own clock began with it. */
async function restarted(books: TestBooks, wallMs: number, leases: readonly Lease[] = []) {
  const fleet = new Fleet();
  for (const lease of leases) fleet.addLease(lease, 0);
  const started = { wallMs, nowMs: 1_000 };
  const clock = {
    ...systemClock,
    wallMs: () => started.wallMs,
    monotonicMs: () => started.nowMs,
  };
  const quarantines = new Quarantines({
    fleet,
    store: books.store,
    clock,
    log: createLogger({ name: "test", level: "fatal" }),
    settings: { failuresMax: 3, failedWithinMs: 10_000, forMs },
  });
  await quarantines.load();
  const pass = (ms: number) => {
    started.wallMs += ms;
    started.nowMs += ms;
    quarantines.expire();
  };
  return { quarantines, pass };
}

/** Until the books say so: a lift is written behind the caller's back. */
async function untilFree(books: TestBooks): Promise<void> {
  while ((await books.store.quarantines()).size > 0);
}

describe("a device on which every guest fails at once", () => {
  it("I11: stays in use for one tenant's broken batch, and is a black hole once another tenant's guest fails too", async () => {
    await using own = await startTestRedis();
    await using test = await startTestController({ redisUrl: own.url });
    const peer = new AgentPeer({
      host: "host-a",
      devices: [device],
      onStart: (self, lease) => {
        self.report(lease, LeaseState.RUNNING);
        self.report(lease, LeaseState.RELEASED, { mover: Mover.GUEST, exitCode: 127, workedMs: 3 });
      },
    });
    await peer.connect(test.controller.apiAddress);
    peer.sample(0);
    const { guests, reports } = test.clients;
    const submit = async (tenant: string) =>
      (await guests.submit({ spec: processGuest({ tenant }), idempotencyKey: "" })).guest!.id;
    const failed = async (id: string) => {
      for await (const { guest } of guests.watch({ ids: [id], tenant: "", changesOnly: false }))
        if (guest?.state === GuestState.FAILED) return;
    };
    for (let guest = 0; guest < 5; guest++) await failed(await submit("hasty"));
    await failed(await submit("careful"));
    for await (const { devices } of reports.watchFleet({ intervalMs: 100 })) {
      const seen = devices.find(({ uuid }) => uuid === device);
      if (!seen?.reason.includes("guests")) continue;
      expect(seen.reason).toMatch(/^4 guests of 2 tenants failed within 10000 ms of their start/);
      break;
    }
    peer.disconnect();
  });
});

describe("the quarantine of a device, over restarts", () => {
  it("of a black hole goes on from when it began, and ends on time", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.store.setQuarantine(device, "3 guests failed", 500_000, "black_hole");
    const first = await restarted(books, 500_000 + 40_000);
    first.pass(10_000);
    expect(first.quarantines.of(device)).toBe("3 guests failed");
    const second = await restarted(books, 500_000 + 50_000);
    second.pass(9_999);
    expect(second.quarantines.of(device)).toBe("3 guests failed");
    second.pass(1);
    expect(second.quarantines.of(device)).toBeNull();
    await untilFree(books);
  });

  it("of a black hole lasts no longer where the wall clock was set back", async () => {
    await using books = await TestBooks.open(redis.url);
    await books.store.setQuarantine(device, "3 guests failed", 500_000, "black_hole");
    const { quarantines, pass } = await restarted(books, 1);
    pass(forMs);
    expect(quarantines.of(device)).toBeNull();
    await untilFree(books);
  });

  it("I10: keeps each cause for itself: the late proof ends the lease's, the time the black hole's", async () => {
    for (const proofFirst of [true, false]) {
      await using books = await TestBooks.open(redis.url);
      const lease = await books.lent({ guestId: "g" });
      const unproven = {
        step: 1,
        state: "quarantined",
        detail: "will not die",
        settlement: settlement("lost"),
      } as const;
      await books.step(lease, unproven);
      await books.store.setQuarantine(device, "3 guests failed", 1_000, "black_hole");
      const leases = await books.store.unprovenLeases();
      const { quarantines, pass } = await restarted(books, 1_000, leases);
      expect(quarantines.of(device)).toBe("will not die");
      const proof = async () => {
        await books.step(lease, { step: 2, state: "released" });
        quarantines.stepped(leases[0]!, released(leases[0]!), null);
      };
      if (proofFirst) await proof();
      else pass(forMs);
      expect(quarantines.of(device)).toBe(proofFirst ? "3 guests failed" : "will not die");
      if (proofFirst) pass(forMs);
      else await proof();
      expect(quarantines.of(device)).toBeNull();
      await untilFree(books);
    }
  });
});

function released(lease: Lease) {
  return {
    leaseId: lease.id,
    token: lease.token,
    step: lease.step + 1,
    state: "released" as const,
    atMs: 0,
    mover: "controller" as const,
    detail: "",
    signalToStepMs: null,
    recallId: "",
    devices: [device],
    end: null,
  };
}
