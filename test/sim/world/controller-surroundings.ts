import type { Desks } from "../../../src/api/server.ts";
import type { Settings } from "../../../src/config/settings.ts";
import { createDecider } from "../../../src/controller/decide.ts";
import type { Surroundings } from "../../../src/controller/surroundings.ts";
import { GleanerError } from "../../../src/errors/gleaner-error.ts";
import { queueKeys } from "../../../src/queue/keys.ts";
import { openGuestQueue } from "../../../src/queue/guest-queue.ts";
import { type Drain, startDrain } from "../../../src/report/drain.ts";
import { createMetrics } from "../../../src/runtime/metrics.ts";
import type { Logger } from "../../../src/runtime/log.ts";
import { LedgerStream } from "../../../src/store/ledger-stream.ts";
import { connectSimRedis } from "../redis/client.ts";
import { SimLaneQueues } from "../redis/lanes.ts";
import { networkLink } from "../redis/link.ts";
import type { SimRedisServer } from "../redis/server.ts";
import type { BooksFile } from "./books.ts";
import type { Network } from "./network.ts";
import type { Life } from "./process.ts";
import type { Random } from "./random.ts";

interface SurroundingsParts {
  readonly life: Life;
  readonly network: Network;
  readonly redis: SimRedisServer;
  readonly booksFile: BooksFile;
  readonly random: Random;
  readonly settings: Settings;
  readonly log: Logger;
  readonly serve: (desks: Desks) => { readonly address: string; close(): void };
}

/** Nobody scrapes them here. */
const metrics = createMetrics({ version: "sim", withProcess: false });

/** What a controller finds around itself in the simulator. */
export function controllerSurroundings(parts: SurroundingsParts): Surroundings {
  const { life, network, redis, booksFile, random, settings, log, serve } = parts;
  const { clock } = life;
  const { zone } = settings;
  const link = networkLink(network, life.host.name, redis.host.name, random.fork("link"));
  const connect = (name: string) => connectSimRedis(redis, life, link, { name, logger: log });
  const newId = () => random.uuid();

  /** Tries until Redis is there. */
  async function openDrain(reader: string, signal: AbortSignal): Promise<Drain | null> {
    while (!signal.aborted)
      try {
        const stream = new LedgerStream(await connect("books"), zone, settings.ledger, log);
        const intervalMs = settings.ledger.drainIntervalMs;
        return startDrain({ stream, reader, books: booksFile, intervalMs, clock, log });
      } catch (thrown) {
        log.error({ err: thrown }, "the books cannot be kept");
        await clock.sleep(1_000, signal);
      }
    return null;
  }

  return {
    clock,
    metrics,
    newId,
    claimPlace: async () => ({ holder: life.host.name, release: async () => {} }),
    connectRedis: () => connect("controller"),
    openQueue: () =>
      openGuestQueue(
        {
          redisUrl: "",
          zone,
          settings: settings.queue,
          headsMax: settings.cycle.headsMax,
          logger: log,
          clock,
          ids: { newId, newGuestId: (lane) => `${lane.id}-${guestSuffix(random)}` },
        },
        async (name) => {
          const connection = await connect(name);
          const { lockMs } = settings.queue;
          const lanes = new SimLaneQueues({ redis: connection, keys: queueKeys(zone), lockMs, clock });
          return { redis: connection, lanes };
        },
      ),
    keepBooks: (reader) => {
      const stopping = new AbortController();
      const opening = openDrain(reader, stopping.signal);
      const notHere = () => new GleanerError("INTERNAL", { problem: "the simulator makes no reports" });
      return {
        catchUp: async () => {
          await (await opening)?.flush();
          return booksFile.seenToMs;
        },
        problem: null,
        endedGuests: () => ({}),
        report: () => Promise.reject(notHere()),
        decisions: () => Promise.reject(notHere()),
        demand: () => Promise.reject(notHere()),
        close: async () => {
          stopping.abort();
          await (await opening)?.close();
        },
      };
    },
    createDecider: (cycle) => createDecider({ workerAboveDevices: Infinity, settings: cycle }),
    serveApi: async ({ desks }) => {
      const server = serve(desks);
      return { address: server.address, port: 0, close: async () => server.close() };
    },
    serveHttp: async () => ({ address: "", close: async () => {}, [Symbol.asyncDispose]: async () => {} }),
  };
}

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

function guestSuffix(random: Random): string {
  return Array.from({ length: 12 }, () => alphabet[random.int(0, 31)]).join("");
}
