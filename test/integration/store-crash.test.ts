import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { settlement, stepOf, TestBooks } from "../support/lease-books.ts";
import { startTestRedis } from "../support/redis.ts";

it("I4: leases, records and events outlive kill -9 of Redis, and the connection goes on by itself", async () => {
  await using redis = await startTestRedis();
  await using books = await TestBooks.open(redis.url);
  const first = await books.lent({ guestId: "a" });
  const grants = [{ device: "gpu-1", sharePermille: 1_000, memoryMib: 0 }];
  await books.lent({ guestId: "b", grants });
  const before = await books.events();
  process.kill(redis.pid, "SIGKILL");
  // Sent into the outage; each arrives once, whatever the connection had to repeat.
  const [steps, lends] = await Promise.all([
    books.store.applySteps([
      stepOf(first, { step: 1, state: "released", settlement: settlement("evicted") }),
    ]),
    books.store.lend([books.request({ guestId: "c", grants: [{ ...grants[0]!, device: "gpu-2" }] })], 300),
  ]);
  expect(steps).toMatchObject([{ applied: true, guestState: "waiting" }]);
  expect(lends).toMatchObject([{ lent: { id: "c:1" } }]);
  expect((await books.store.liveLeases()).map(({ id }) => id).toSorted()).toEqual(["b:1", "c:1"]);
  const types = (await books.events()).slice(before.length).map(({ type }) => type);
  expect(types.toSorted()).toEqual(["decision", "guest", "lent", "step"]);
});

it("I3: a lend whose answer was lost with the connection is answered again, not lent twice", async () => {
  await using redis = await startTestRedis();
  await using link = await openLink(redis.url);
  await using books = await TestBooks.open(link.path);
  link.breakNextReply(0);
  const lease = await books.lent({ guestId: "g" });
  expect(link.broken).toBe(1);
  expect(lease).toMatchObject({ id: "g:1", token: { number: 1 } });
  expect(await books.store.liveLeases()).toMatchObject([{ id: "g:1" }]);
  expect((await books.events()).map(({ type }) => type)).toEqual(["lent", "decision"]);
});

it("I3 I9: a batch that was half answered is answered whole, each lend and each end once", async () => {
  await using redis = await startTestRedis();
  await using link = await openLink(redis.url);
  await using books = await TestBooks.open(link.path);
  const requests = Array.from({ length: 40 }, (_, index) =>
    books.request({
      guestId: `g-${index}`,
      grants: [{ device: `gpu-${index}`, sharePermille: 1_000, memoryMib: 0 }],
    }),
  );
  await books.store.lend(requests.slice(0, 1), 100); // the scripts are loaded
  link.breakNextReply(0.5);
  const lent = (await books.store.lend(requests.slice(1), 100)).flatMap((result) =>
    "lent" in result ? result.lent : [],
  );
  expect(lent.map(({ attempt }) => attempt)).toEqual(requests.slice(1).map(() => 1));

  link.breakNextReply(0.5);
  const ends = lent.map((lease) =>
    stepOf(lease, { step: 1, state: "released", settlement: settlement("evicted") }),
  );
  const results = await books.store.applySteps(ends);
  expect(link.broken).toBe(2);
  expect(results.map((result) => result.applied && result.guestState)).toEqual(ends.map(() => "waiting"));
  const records = await books.store.guestRecords(lent.map(({ guestId }) => guestId));
  expect([...records.values()].map(({ evictions }) => evictions)).toEqual(lent.map(() => 1));
  expect((await books.events()).filter(({ type }) => type === "lent")).toHaveLength(40);
  expect((await books.events()).filter(({ type }) => type === "step")).toHaveLength(39);
});

it("I3: a lend that failed and had been carried out is what the next call for the guest answers", async () => {
  await using redis = await startTestRedis();
  await using link = await openLink(redis.url);
  await using books = await TestBooks.open(link.path, {}, { commandMsMax: 300 });
  link.breakNextReply(0, Infinity);
  await expect(books.lend({ guestId: "g" })).rejects.toMatchObject({ code: "REDIS_UNREACHABLE" });
  link.mend();
  const elsewhere = [{ device: "gpu-9", sharePermille: 1_000, memoryMib: 0 }];
  expect(await books.lent({ guestId: "g", grants: elsewhere })).toMatchObject({
    id: "g:1",
    grants: [{ device: "gpu-0" }],
  });
  expect(await books.lend({ guestId: "g", grants: elsewhere })).toEqual({ refused: "guest_has_lease" });
});

/** A way to Redis that can break after a command was carried out and before all of its reply came through. */
async function openLink(redisPath: string) {
  const path = `${redisPath}.link`;
  const sockets = new Set<Socket>();
  let breaks = 0;
  let share = 0;
  const link = {
    path,
    broken: 0,
    /** Lets the first part of the reply through. */
    breakNextReply(sharePassed: number, times = 1) {
      share = sharePassed;
      breaks = times;
    },
    mend() {
      breaks = 0;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  const server = createServer((client) => {
    const redis = connect(redisPath);
    for (const socket of [client, redis]) sockets.add(socket.on("error", () => {}));
    client.pipe(redis);
    redis.on("data", (reply: Buffer) => {
      if (breaks === 0) return void client.write(reply);
      breaks -= 1;
      link.broken += 1;
      redis.destroy();
      client.end(reply.subarray(0, Math.floor(reply.length * share)));
    });
    client.on("close", () => redis.destroy());
    redis.on("close", () => client.destroySoon());
  });
  server.listen(path);
  await once(server, "listening");
  return link;
}
