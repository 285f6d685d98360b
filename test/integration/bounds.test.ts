import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Journal } from "../../src/controller/journal.ts";
import { Fleet } from "../../src/controller/fleet.ts";
import { LeaseSteps } from "../../src/controller/lease-steps.ts";
import { LeaseOrders } from "../../src/controller/lease-orders.ts";
import { LiveGuests } from "../../src/controller/live-guests.ts";
import { GuestChanges } from "../../src/controller/guest-book.ts";
import { OwnerSignals } from "../../src/controller/owner-signals.ts";
import { RecallTargets } from "../../src/controller/recall-targets.ts";
import { Recalls } from "../../src/controller/recalls.ts";
import { parseSettings } from "../../src/config/settings.ts";
import type { Lease } from "../../src/core/lease.ts";
import { openGuestQueue } from "../../src/queue/guest-queue.ts";
import { systemClock as clock } from "../../src/runtime/clock.ts";
import { startHttp } from "../../src/runtime/http.ts";
import { createLogger } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { connectRedis } from "../../src/store/connection.ts";
import { LeaseStore } from "../../src/store/lease-store.ts";
import { LedgerStream } from "../../src/store/ledger-stream.ts";
import { OwnerStore } from "../../src/store/owner-store.ts";
import { AgentRig, gpu, sh, testSettings } from "../support/agent/agent-rig.ts";
import { startTestApi } from "../support/api-desks.ts";
import { processGuest } from "../support/controller.ts";
import { freshZone, startTestRedis, type TestRedis } from "../support/redis.ts";

const log = createLogger({ name: "test", level: "silent" });
const settings = parseSettings({}, "test");
const bounds = { ...settings.ledger, ...settings.queue };
let redis: TestRedis;

beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis.stop());

const lease: Lease = {
  id: "g-1:1",
  guestId: "g-1",
  tenant: "research",
  attempt: 1,
  host: "h",
  token: { generation: 1, number: 1 },
  epoch: 1,
  grants: [{ device: "GPU-0", sharePermille: 1_000, memoryMib: 1 }],
  trustGroup: "research",
  state: "running",
  lentAtMs: 0,
  stateSinceMs: 0,
  step: 1,
};

/** A leader's parts around one running lease, whose Redis does not answer. */
async function withoutRedis() {
  const zone = freshZone();
  const client = await connectRedis(redis.url, { name: "test", commandMsMax: 60_000 });
  const queue = await openGuestQueue({ redisUrl: redis.url, zone, settings: settings.queue, headsMax: 10 });
  process.kill(redis.pid, "SIGSTOP");
  const fleet = new Fleet();
  fleet.addDevice({ uuid: "GPU-0", host: "h", pool: "p", model: "m", index: 0, memoryTotalMib: 1 });
  fleet.addLease(lease, clock.monotonicMs());
  const stream = new LedgerStream(client, zone, settings.ledger, log);
  const journal = new Journal(stream, clock, log);
  const guests = new LiveGuests(fleet, new GuestChanges(clock, settings.api), settings.guest);
  const metrics = createMetrics({ version: "test", withProcess: false });
  return {
    fleet,
    stream,
    journal,
    guests,
    metrics,
    client,
    store: new LeaseStore(client, zone, bounds),
    queue,
    signals: new OwnerSignals(new OwnerStore(client, zone, log), clock, settings),
    resume: () => process.kill(redis.pid, "SIGCONT"),
    async [Symbol.asyncDispose]() {
      process.kill(redis.pid, "SIGCONT");
      await queue.close();
      client.disconnect();
    },
  };
}

it("I11: lease steps beyond the backlog are neither taken nor acknowledged", async () => {
  await using parts = await withoutRedis();
  const steps = new LeaseSteps({ ...parts, clock, log });
  const { max } = steps.backlog;
  let acknowledged = 0;
  const take = (step: number) =>
    steps.take(
      {
        leaseId: lease.id,
        token: lease.token,
        step,
        state: step % 2 === 0 ? "paused" : "running",
        atMs: 0,
        mover: "owner",
        detail: "",
        signalToStepMs: null,
        recallId: "",
        devices: ["GPU-0"],
        end: null,
      },
      () => (acknowledged += 1),
    );
  for (let step = 2; step < max + 2; step += 1) take(step);
  expect(steps.backlog).toEqual({ waiting: max, max });
  take(max + 2);
  expect(steps.backlog.waiting).toBe(max);
  expect(parts.fleet.leases.get(lease.id)!.lease.step).toBe(max + 1);
  expect(acknowledged).toBe(0);
  steps.stop();
});

it("I11: of ledger events beyond the backlog the oldest are given up and named as an outage", async () => {
  await using parts = await withoutRedis();
  const { journal, stream } = parts;
  const { max } = journal.backlog;
  for (let i = 0; i < max; i += 1) journal.write({ type: "alive", atMs: 1_000 + i });
  expect(journal.backlog.waiting).toBe(max);
  journal.write({ type: "alive", atMs: 5_000_000 });
  expect(journal.backlog.waiting).toBe(max / 2 + 1);
  parts.resume();
  await journal.flush();
  const written = await stream.readAfter("0", 3_000);
  expect(written.find(({ event }) => event.type === "outage")?.event).toMatchObject({ sinceMs: 1_000 });
  expect(await stream.length()).toBe(max / 2 + 2);
});

it("I11: a recall beyond those that stand is refused, not forgotten", async () => {
  await using parts = await withoutRedis();
  const { fleet, journal, guests, signals, metrics } = parts;
  const recalls = new Recalls({
    fleet,
    signals,
    targets: new RecallTargets({ fleet, guests, signals, clock, settings: settings.recall }),
    orders: new LeaseOrders(fleet, clock),
    journal,
    clock,
    log,
    metrics,
    newId: () => String(Math.random()),
    settings: settings.recall,
  });
  const { signal } = new AbortController();
  const order = {
    target: { kind: "devices" as const, uuids: ["GPU-0"] },
    deadlineMs: 600_000,
    firstRung: "pause" as const,
    reason: "",
    holdMs: 0,
  };
  for (let i = 0; i < 10_000; i += 1) recalls.recall(order, signal);
  expect(() => recalls.recall(order, signal)).toThrow(expect.objectContaining({ code: "TOO_MANY_RECALLS" }));
  recalls.close();
});

it("I11: an agent whose reports nobody acknowledges starts nothing more", async () => {
  const agent = { ...testSettings.agent, journalEntriesMax: 2 };
  await using rig = await AgentRig.up({ settings: { ...testSettings, agent } }, (controller) => {
    controller.acknowledges = false;
  });
  rig.controller.start({ guestId: "g1", command: sh("exit 0"), devices: [gpu[0]], number: 1 });
  await rig.controller.reached("g1:1", "released");
  rig.controller.start({ guestId: "g2", command: sh("exit 0"), devices: [gpu[1]], number: 2 });
  const results = () => rig.controller.all("commandResult");
  await rig.controller.until(() => results().length === 2);
  expect(results()[1]).toMatchObject({
    outcome: "COMMAND_OUTCOME_HOST_FAILED",
    detail: expect.stringMatching(/^\d+ reports wait for a controller to acknowledge them$/),
  });
});

it("I11: HTTP serves only so many connections", async () => {
  const { registry } = createMetrics({ version: "test", withProcess: false });
  await using server = await startHttp({ address: "127.0.0.1:0", registry, notReady: () => null, log });
  const port = Number(server.address.split(":")[1]);
  const sockets: Socket[] = [];
  for (let i = 0; i < 64; i += 1) {
    const socket = connect(port, "127.0.0.1");
    sockets.push(socket);
    socket.write("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
    await once(socket, "data");
  }
  const refused = connect(port, "127.0.0.1");
  refused.on("error", () => {}); // a reset is one way of being refused
  refused.write("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
  refused.resume();
  await once(refused, "close");
  expect(refused.bytesRead).toBe(0);
  for (const socket of sockets) socket.destroy();
});

it("I11: a batch of more guests than allowed is refused whole", async () => {
  await using api = await startTestApi();
  const requests = Array.from({ length: settings.queue.batchMax + 1 }, () => ({ spec: processGuest() }));
  await expect(api.clients.guests.submitBatch({ requests })).rejects.toMatchObject({
    code: "BATCH_TOO_LARGE",
    details: { count: "1001", countMax: "1000" },
  });
});
