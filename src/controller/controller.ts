import type { Settings } from "../config/settings.ts";
import { asGleanerError, GleanerError } from "../errors/gleaner-error.ts";
import { boundHeapGrowth } from "../runtime/heap.ts";
import type { Logger } from "../runtime/log.ts";
import { Candidacy, type Win } from "./candidacy.ts";
import type { Desks } from "../api/server.ts";
import { takeTheLead, type Leader } from "./leader.ts";
import { believedCosts, lendingTerms } from "./lending-terms.ts";
import { OwnerForecast } from "./owner-forecast.ts";
import { configuredPolicy } from "./owner-signals.ts";
import { Reception } from "./reception.ts";
import { Reign } from "./reign.ts";
import { Standby } from "./standby.ts";
import { StandbyFleet } from "./standby-fleet.ts";
import { StandbyRecalls } from "./standby-recalls.ts";
import { type Surroundings, systemSurroundings, type SystemOptions } from "./surroundings.ts";

export interface RunningController {
  readonly apiAddress: string;
  readonly httpAddress: string;
  /**
   * Aborts when it cannot go on, mostly with LEADERSHIP_LOST as its reason since another leads: nothing is commanded,
   * acknowledged or served from then on, and `stop` is all that is left to do.
   */
  readonly lost: AbortSignal;
  stop(): Promise<void>;
  /** What it holds in memory, for a person who looks for a fault. */
  debugDump(): unknown;
}

/** Calls under way when the controller ends have this long to be answered. */
const apiGraceMs = 2_000;

export function startController(options: SystemOptions): Promise<RunningController> {
  boundHeapGrowth();
  return runController(options, systemSurroundings(options));
}

/**
 * One controller. It opens its ports and stands by; when it wins the lead it reads the books and decides. Resolves when it
 * leads, or knows that it does not.
 */
export async function runController(
  { settings, logger: log }: { settings: Settings; logger: Logger },
  surroundings: Surroundings,
): Promise<RunningController> {
  const { clock, metrics } = surroundings;
  await using undo = new AsyncDisposableStack();
  const place = await surroundings.claimPlace();
  undo.defer(() => place.release());
  const books = surroundings.keepBooks(place.holder);
  undo.defer(() =>
    books
      .close()
      .catch((err: unknown) => log.warn({ err }, "the ledger's newest entries are not booked yet")),
  );

  const believed = believedCosts(settings);
  const standbyRules = {
    // What owners allow is spent by the leader alone.
    termsOf: (pool: string) => ({
      ...lendingTerms(configuredPolicy(settings, pool), believed, settings),
      limit: null,
    }),
    mayLend: () => false,
  };
  const forecast = new OwnerForecast({ settings, standby: standbyRules, clock, log });
  const warm = new StandbyFleet(forecast, clock, settings.telemetry.staleMs);
  const newId = () => surroundings.newId();
  const passedOn = new StandbyRecalls({ fleet: warm, clock, log, newId });
  const standby = new Standby({ fleet: warm, recalls: passedOn, clock, log, metrics, settings });
  const reception = new Reception(standby.desks);
  const ended = new AbortController();
  const { signal: lost } = ended;
  let leader: Leader | null = null;
  let amiss: () => string | null = () =>
    [`standby; ${standby.leaderAddress || "nobody known"} leads`, books.problem ?? []]
      .flat()
      .join("; the books are not kept: ");

  const api = await surroundings.serveApi({
    listen: settings.listen.apiAddress,
    desks: reception.desks,
    settings,
    logger: log,
    metrics,
    serving: () => !lost.aborted,
  });
  let closing: Promise<void> | null = null;
  const closeApi = (why?: GleanerError) => {
    leader?.closeRecalls();
    passedOn.close();
    return (closing ??= api.close(apiGraceMs, why));
  };
  undo.defer(() => closeApi());
  const http = await surroundings.serveHttp({
    address: settings.listen.httpAddress,
    registry: metrics.registry,
    notReady: () => (lost.aborted ? `${lost.reason}` : null),
    amiss: () => amiss(),
    log,
  });
  undo.defer(() => http.close());

  const stopping = new AbortController();
  const forecasting = forecast.run(stopping.signal);
  undo.defer(async () => {
    stopping.abort();
    await forecasting;
  });
  const candidate = { holder: place.holder, address: api.address, lockMs: settings.lead.lockMs };
  const candidacy = new Candidacy({ candidate, surroundings, settings, log });
  undo.defer(() => candidacy.close());

  async function lead({ redis, store, lead: won, lock }: Win): Promise<void> {
    const holding = lock.run(stopping.signal);
    undoLead.defer(async () => {
      stopping.abort();
      await holding;
      if (!won.lost.aborted)
        await lock.release().catch((err: unknown) => log.warn({ err }, "the lead's lock was not released"));
    });
    // At the same time: until both are there nobody lends.
    const opening = surroundings.openQueue();
    undoLead.defer(async () => (await opening.catch(() => null))?.close());
    const [queue, aliveAtMs] = await Promise.all([opening, books.catchUp()]);
    const reign = new Reign(store, won, () => lock.isHeld());
    const parts = {
      redis,
      store,
      reign,
      warm,
      forecast,
      passedOn,
      queue,
      books,
      aliveAtMs,
      surroundings,
      settings,
      log,
    };
    const taken = await takeTheLead(parts);
    leader = taken;
    undoLead.defer(() => taken.stop());
    // A successor may know more of the leases: without the lock, what an owner is told comes from the agents themselves.
    const unsure: Desks = { ...standby.desks, agents: taken.desks.agents };
    amiss = () =>
      lock.isHeld() ? books.problem : "the lock on the lead could not be renewed: nothing is lent";
    const stepDown = () => {
      taken.stepDown();
      end(won.lost.reason);
    };
    if (won.lost.aborted) {
      stepDown();
      return;
    }
    won.lost.addEventListener("abort", stepDown, { once: true });
    heard("");
    reception.seat(() => (lock.isHeld() ? taken.desks : unsure));
    taken.run();
    standby.leave();
    log.info({ epoch: taken.epoch, zone: settings.zone }, `leads at ${api.address}`);
  }

  function end(thrown: unknown): void {
    if (lost.aborted) return;
    const why = asGleanerError(thrown);
    log.error({ err: why }, `this controller ends: ${why.message}`);
    ended.abort(why);
    stopping.abort();
    void closeApi(why);
  }

  const undoLead = new AsyncDisposableStack();
  undo.defer(() => undoLead.disposeAsync());
  const heard = (address: string) => (standby.leaderAddress = address);
  let campaign: Promise<void> = Promise.resolve();
  const first = await candidacy.ask().catch((thrown: unknown) => {
    if (thrown instanceof GleanerError && thrown.code === "REDIS_UNREACHABLE") return thrown;
    throw thrown;
  });
  if ("lead" in first) await lead(first);
  else {
    if ("heldBy" in first) heard(first.heldBy);
    else
      log.error(
        { err: first },
        "Redis does not answer: recalls are served, and nothing is lent until it does",
      );
    log.info({ leader: standby.leaderAddress }, `stands by at ${api.address}`);
    campaign = candidacy
      .run(heard, stopping.signal)
      .then((win) => (win === null ? undefined : lead(win)))
      .catch(end);
  }
  log.info(
    { api: api.address, http: http.address, zone: settings.zone },
    `controller serves on ${api.address}`,
  );

  const all = undo.move();
  return {
    apiAddress: api.address,
    httpAddress: http.address,
    lost,
    async stop() {
      leader?.drain();
      const served = closeApi();
      stopping.abort();
      await served;
      await campaign;
      await all.disposeAsync();
    },
    debugDump: () => leader?.debugDump() ?? { standby: true, leader: standby.leaderAddress },
  };
}
