import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { type ApiServerOptions, type RunningServer, startApiServer } from "../api/server.ts";
import type { Settings } from "../config/settings.ts";
import type { CycleSettings } from "../core/snapshot.ts";
import { type GuestQueue, openGuestQueue } from "../queue/guest-queue.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { type HttpOptions, type HttpServer, startHttp } from "../runtime/http.ts";
import type { Logger } from "../runtime/log.ts";
import { createMetrics, type Metrics } from "../runtime/metrics.ts";
import { connectRedis } from "../store/connection.ts";
import { createDecider, type Decider } from "./decide.ts";
import { keptDecisions } from "./kept-decisions.ts";
import { claimPlace, type Place } from "./place.ts";
import { RemoteBooks } from "./remote-books.ts";

export type Books = Pick<
  RemoteBooks,
  "catchUp" | "problem" | "endedGuests" | "report" | "decisions" | "demand" | "close"
>;

/** All that a controller touches outside itself. The simulator has surroundings of its own. */
export interface Surroundings {
  readonly clock: Clock;
  readonly metrics: Metrics;
  newId(): string;
  /** Throws CONTROLLER_DIR_IN_USE. */
  claimPlace(): Promise<Place>;
  /** Throws REDIS_UNREACHABLE, REDIS_UNSUITABLE. */
  connectRedis(): Promise<Redis>;
  /** Throws REDIS_UNREACHABLE, REDIS_UNSUITABLE. */
  openQueue(): Promise<GuestQueue>;
  /** From now on until they are closed, whoever leads. `reader`: whose they are. */
  keepBooks(reader: string): Books;
  createDecider(settings: CycleSettings): Decider;
  /** Throws INSECURE_LISTEN, LISTEN_FAILED. */
  serveApi(options: ApiServerOptions): Promise<RunningServer>;
  /** Throws INSECURE_LISTEN, LISTEN_FAILED. */
  serveHttp(options: HttpOptions): Promise<HttpServer>;
}

export interface SystemOptions {
  readonly settings: Settings;
  /** Where the books are kept. */
  readonly dataDir: string;
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly version: string;
}

/** Devices above which decisions are made in a worker thread. */
const workerAboveDevices = 5_000;

export function systemSurroundings(options: SystemOptions): Surroundings {
  const { settings, dataDir, redisUrl, logger: log, version } = options;
  const { zone, ledger } = settings;
  const clock = systemClock;
  const metrics = createMetrics({ version });
  mkdirSync(dataDir, { recursive: true });
  return {
    clock,
    metrics,
    newId: randomUUID,
    claimPlace: () => claimPlace(dataDir),
    connectRedis: () => connectRedis(redisUrl, { name: "controller", logger: log }),
    openQueue: () =>
      openGuestQueue({
        redisUrl,
        zone,
        settings: settings.queue,
        headsMax: settings.cycle.headsMax,
        logger: log,
      }),
    keepBooks: (reader) =>
      new RemoteBooks({ path: join(dataDir, "ledger.sqlite"), redisUrl, zone, reader, ledger, clock, log }),
    createDecider: (cycle) => {
      const kept = keptDecisions({ dataDir, settings, release: version, clock, log, metrics });
      return createDecider({ workerAboveDevices, settings: cycle, kept });
    },
    serveApi: startApiServer,
    serveHttp: startHttp,
  };
}
