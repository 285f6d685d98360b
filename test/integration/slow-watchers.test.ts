import { once } from "node:events";
import { connect, type ClientHttp2Stream } from "node:http2";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { GleanerError } from "../../src/errors/gleaner-error.ts";
import { GuestServiceDefinition, WatchRequest } from "../../src/gen/gleaner/v1/guests.ts";
import { sampleGuest, sampleProgress, startTestApi, testDesks } from "../support/api-desks.ts";
import { fastSettings, processGuest, startTestController } from "../support/controller.ts";
import { startTestRedis } from "../support/redis.ts";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

function heapMib(): number {
  gc();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** Calls Watch on a connection of its own and reads nothing of the answer, so that its flow control fills up. */
function unreadWatch(address: string): { readonly stream: ClientHttp2Stream; close(): void } {
  const session = connect(`http://${address}`, { settings: { initialWindowSize: 16_384 } });
  session.on("error", () => {}); // what matters of it comes with the stream
  const { fullName, methods } = GuestServiceDefinition;
  const stream = session.request({
    ":method": "POST",
    ":path": `/${fullName}/${methods.watch.name}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.pause();
  const request = WatchRequest.encode(WatchRequest.create({ changesOnly: true })).finish();
  const frame = Buffer.alloc(5 + request.length);
  frame.writeUInt32BE(request.length, 1);
  frame.set(request, 5);
  stream.end(frame);
  return { stream, close: () => session.destroy() };
}

interface GrpcStatus {
  readonly "grpc-status": string;
  readonly "grpc-message": string;
}

async function statusOnReading(stream: ClientHttp2Stream): Promise<GrpcStatus> {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcStatus>();
  stream.on("trailers", (trailers) => resolve(trailers as GrpcStatus));
  stream.on("error", reject);
  stream.resume();
  return promise;
}

describe("who does not read is cut off, not buffered", () => {
  it(
    "I11: 10,000 changes leave the memory as it was though watchers read nothing, and the others hear of each",
    { timeout: 120_000 },
    async () => {
      await using redis = await startTestRedis();
      const settings = fastSettings({ api: { watchStalledMsMax: 600_000 } });
      await using test = await startTestController({ redisUrl: redis.url, settings });
      const { controller, clients } = test;
      const unread = Array.from({ length: 10 }, () => unreadWatch(controller.apiAddress));
      await Promise.all(unread.map(({ stream }) => once(stream, "ready")));

      const heard = new Set<string>();
      const listeners: { count: number; reached: () => void }[] = [];
      const leave = new AbortController();
      const reading = (async () => {
        const changes = clients.guests.watch({}, { signal: leave.signal });
        for await (const { guest } of changes) {
          heard.add(guest!.id);
          for (const { count, reached } of listeners) if (heard.size >= count) reached();
        }
      })().catch((thrown: unknown) => thrown);

      const batch = 250;
      const submitBatch = async (nth: number) => {
        const { promise: all, resolve: reached } = Promise.withResolvers<void>();
        listeners.push({ count: (nth + 1) * batch, reached });
        const env = { PAYLOAD: "x".repeat(2_000) };
        await clients.guests.submitBatch({
          requests: Array.from({ length: batch }, (_, i) => ({
            spec: processGuest({
              name: `guest-${nth}-${i}`,
              workload: { $case: "process", value: { command: ["true"], env, workingDir: "" } },
            }),
          })),
        });
        await all;
        listeners.pop();
      };

      // By then those that do not read are cut off: what they were sent is part of both measurements.
      for (let nth = 0; nth < 8; nth += 1) await submitBatch(nth);
      const beforeMib = heapMib();
      for (let nth = 8; nth < 40; nth += 1) await submitBatch(nth);
      const grownMib = heapMib() - beforeMib;

      expect(heard.size).toBe(10_000);
      // Had the changes been kept for whoever does not read, they were some 30 MiB.
      expect(grownMib).toBeLessThan(10);
      for (const { stream } of unread)
        expect(await statusOnReading(stream)).toMatchObject({
          "grpc-status": "8",
          "grpc-message": expect.stringMatching(/changes%20behind%20and%20was%20cut%20off/),
        });
      leave.abort();
      await reading;
      for (const watch of unread) watch.close();
    },
  );

  const flood = {
    async *guests() {
      for (;;) yield { guest: { ...sampleGuest, reason: "x".repeat(1_000) }, atMs: 0 };
    },
    async *logs() {
      for (;;) yield { data: new Uint8Array(4_096), attempt: 1, droppedBytes: 0 };
    },
    async *fleet() {
      for (;;) yield { atMs: 0, devices: [], guestsByState: { running: 1 }, agents: 2, epoch: 7 };
    },
    async *recall() {
      for (;;) yield { ...sampleProgress, detail: "x".repeat(1_000) };
    },
  };
  const target = { scope: { $case: "fleet" as const, value: {} } };
  type Api = Awaited<ReturnType<typeof startTestApi>>;
  const streams: readonly [string, (api: Api) => AsyncIterable<unknown>][] = [
    ["Watch", ({ clients }) => clients.guests.watch({})],
    ["Logs", ({ clients }) => clients.guests.logs({ id: "g-1" })],
    ["WatchFleet", ({ clients }) => clients.reports.watchFleet({})],
    ["Recall", ({ clients }) => clients.owners.recall({ target })],
  ];

  it.each(streams)(
    "I11: the source of %s is left when its reader stalls, its place is free, and it is told",
    async (_, call) => {
      let left = 0;
      const watched = <T>(source: AsyncGenerator<T>): AsyncGenerator<T> =>
        (async function* () {
          try {
            yield* source;
          } finally {
            left += 1;
          }
        })();
      await using api = await startTestApi(
        testDesks({
          guests: { watch: () => watched(flood.guests()), logs: () => watched(flood.logs()) },
          reports: { watchFleet: () => watched(flood.fleet()) },
          owners: { recall: () => watched(flood.recall()) },
        }),
        { api: { watchStalledMsMax: 100, watchersMax: 1 } },
      );
      const stalled = call(api)[Symbol.asyncIterator]();
      await stalled.next();
      await expect.poll(() => left).toBe(1);
      const second = call(api)[Symbol.asyncIterator]();
      expect((await second.next()).done).toBe(false);
      await second.return?.();
      const rest = async () => {
        while ((await stalled.next()).done !== true);
      };
      await expect(rest()).rejects.toMatchObject({
        code: "WATCHER_STALLED",
        message: "The reader of this stream took nothing for 100 ms and was cut off.",
      } satisfies Partial<GleanerError>);
    },
  );
});
