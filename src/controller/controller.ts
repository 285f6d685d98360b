import type { Settings } from "../config/settings.ts";
import { asGleanerError, type GleanerError } from "../errors/gleaner-error.ts";
import type { Logger } from "../runtime/log.ts";
import { takeTheLead } from "./leader.ts";
import { type Surroundings, systemSurroundings, type SystemOptions } from "./surroundings.ts";

export interface RunningController {
  readonly apiAddress: string;
  readonly httpAddress: string;
  /**
   * Aborts when another leads, with LEADERSHIP_LOST as its reason: nothing is commanded, acknowledged or served from then
   * on, and `stop` is all that is left to do.
   */
  readonly lost: AbortSignal;
  stop(): Promise<void>;
  /** What it holds in memory, for a person who looks for a fault. */
  debugDump(): unknown;
}

/** Calls under way when the controller ends have this long to be answered. */
const apiGraceMs = 2_000;

export function startController(options: SystemOptions): Promise<RunningController> {
  return runController(options, systemSurroundings(options));
}

/** One controller: reads the books, then opens its ports, then decides. */
export async function runController(
  { settings, logger: log }: { settings: Settings; logger: Logger },
  surroundings: Surroundings,
): Promise<RunningController> {
  const { metrics } = surroundings;
  const redis = await surroundings.connectRedis();
  const books = await surroundings.openBooks();
  const queue = await surroundings.openQueue();
  const leader = await takeTheLead({ redis, queue, books, surroundings, settings, log });

  let ready = false;
  const api = await surroundings.serveApi({
    listen: settings.listen.apiAddress,
    desks: leader.desks,
    settings,
    logger: log,
    metrics,
    serving: () => ready,
  });
  const { lost } = leader;
  const http = await surroundings.serveHttp({
    address: settings.listen.httpAddress,
    registry: metrics.registry,
    notReady: () => (ready ? null : lost.aborted ? `${lost.reason}` : "reading the books"),
    amiss: () => books.problem,
    log,
  });
  leader.run();
  ready = true;
  log.info(
    { api: api.address, http: http.address, epoch: leader.epoch, zone: settings.zone },
    `controller serves on ${api.address}`,
  );

  let closing: Promise<void> | null = null;
  const closeApi = (why?: GleanerError) => {
    leader.closeRecalls();
    return (closing ??= api.close(apiGraceMs, why));
  };
  const stepDown = () => {
    const why = asGleanerError(lost.reason);
    log.error({ err: why }, `the lead is lost, and this controller ends: ${why.message}`);
    ready = false;
    leader.stepDown();
    void closeApi(why);
  };
  if (lost.aborted) stepDown();
  else lost.addEventListener("abort", stepDown, { once: true });

  return {
    apiAddress: api.address,
    httpAddress: http.address,
    lost,
    async stop() {
      ready = false;
      await closeApi();
      await leader.stop();
      await books.close();
      await queue.close();
      await http.close();
      redis.disconnect();
    },
    debugDump: () => leader.debugDump(),
  };
}
