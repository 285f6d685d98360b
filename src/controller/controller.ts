import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { Breaker } from "../core/breaker.ts";
import { MeetingsMeter } from "../core/meetings-meter.ts";
import { Forecaster } from "../core/survival.ts";
import { startApiServer } from "../api/server.ts";
import type { Settings } from "../config/settings.ts";
import { asGleanerError, type GleanerError } from "../errors/gleaner-error.ts";
import { openGuestQueue } from "../queue/guest-queue.ts";
import { systemClock, type Clock } from "../runtime/clock.ts";
import { startHttp } from "../runtime/http.ts";
import type { Logger } from "../runtime/log.ts";
import { createMetrics } from "../runtime/metrics.ts";
import { connectRedis } from "../store/connection.ts";
import { LeaseStore } from "../store/lease-store.ts";
import { LedgerStream } from "../store/ledger-stream.ts";
import { OwnerStore } from "../store/owner-store.ts";
import { TenantUsage } from "../store/tenant-usage.ts";
import { Agents } from "./agents.ts";
import { Cycle } from "./cycle.ts";
import { createDecider } from "./decide.ts";
import { endedAmong } from "./ended-guests.ts";
import { Fleet } from "./fleet.ts";
import { GuestChanges } from "./guest-book.ts";
import { setGauges } from "./gauges.ts";
import { Guests } from "./guest-desk.ts";
import { Journal } from "./journal.ts";
import { keptDecisions } from "./kept-decisions.ts";
import { LeaseOrders } from "./lease-orders.ts";
import { LeaseSteps } from "./lease-steps.ts";
import { LiveGuests } from "./live-guests.ts";
import { LogReads } from "./log-reads.ts";
import { MemoryProofs } from "./memory-proofs.ts";
import { Owners } from "./owner-desk.ts";
import { OwnerSignals } from "./owner-signals.ts";
import { OwnerWatch } from "./owner-watch.ts";
import { Quarantines } from "./quarantine.ts";
import { RecallTargets } from "./recall-targets.ts";
import { Recalls } from "./recalls.ts";
import { expireLeases, recover, renewInBooks } from "./recovery.ts";
import { Reign } from "./reign.ts";
import { RemoteBooks } from "./remote-books.ts";
import { Reports } from "./report-desk.ts";
import { Snapshots } from "./snapshots.ts";
import { tellAnew } from "./tell-anew.ts";
import { TenantUses } from "./tenant-uses.ts";

export interface ControllerOptions {
  readonly settings: Settings;
  /** Where the books are kept. */
  readonly dataDir: string;
  readonly redisUrl: string;
  readonly logger: Logger;
  readonly version: string;
  readonly clock?: Clock;
}

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

/** How fresh the gauges of /metrics are; scrapes are further apart. */
const gaugesMs = 5_000;

/** Calls under way when the controller ends have this long to be answered. */
const apiGraceMs = 2_000;

/** Devices above which decisions are made in a worker thread. */
const workerAboveDevices = 5_000;

/** Wires one controller: reads the books, then opens its ports, then decides. */
export async function startController(options: ControllerOptions): Promise<RunningController> {
  const { settings, logger: log, dataDir } = options;
  const clock = options.clock ?? systemClock;
  const metrics = createMetrics({ version: options.version });
  mkdirSync(dataDir, { recursive: true });

  const redis = await connectRedis(options.redisUrl, { name: "controller", logger: log });
  const store = new LeaseStore(redis, settings.zone, { ...settings.ledger, ...settings.queue });
  const stream = new LedgerStream(redis, settings.zone, settings.ledger, log);
  const books = await RemoteBooks.open({
    path: join(dataDir, "ledger.sqlite"),
    redisUrl: options.redisUrl,
    zone: settings.zone,
    ledger: settings.ledger,
    clock,
    log,
  });
  const journal = new Journal(stream, clock, log);
  const queue = await openGuestQueue({
    redisUrl: options.redisUrl,
    zone: settings.zone,
    settings: settings.queue,
    headsMax: settings.cycle.headsMax,
    logger: log,
  });

  const reign = new Reign(store, await store.takeLead(clock.wallMs()));

  const fleet = new Fleet();
  const signals = new OwnerSignals(new OwnerStore(redis, settings.zone, log), clock, settings);
  await signals.load();
  const tenants = new TenantUses({
    fleet,
    usage: new TenantUsage(redis, settings.zone, settings.fairShare, log),
    clock,
    settings: settings.fairShare,
  });
  await tenants.load();
  const forecaster = new Forecaster({ ...settings.forecast, staleMs: settings.telemetry.staleMs });
  const breaker = new Breaker(settings.forecast);
  const meetings = new MeetingsMeter();
  const changes = new GuestChanges(clock, settings.api);
  const guests = new LiveGuests(fleet, changes, settings.guest);
  const steps = new LeaseSteps({ fleet, store, queue, guests, journal, clock, log, metrics });
  const quarantines = new Quarantines({ fleet, store, clock, log, settings: settings.blackHole });
  const memory = new MemoryProofs({
    fleet,
    store,
    quarantines,
    rules: { ...settings.recall, sampleIntervalMs: settings.telemetry.sampleIntervalMs },
    clock,
    log,
  });
  const owners = new OwnerWatch({
    fleet,
    signals,
    journal,
    forecaster,
    breaker,
    meetings,
    settings,
    clock,
    metrics,
  });
  const orders = new LeaseOrders(fleet, clock);
  const recalls = new Recalls({
    fleet,
    orders,
    signals,
    targets: new RecallTargets(fleet, guests, clock),
    journal,
    clock,
    log,
    metrics,
    newId: randomUUID,
    settings: settings.recall,
  });
  steps.onStep((_, before, step, settlement) => {
    recalls.stepped(before, step);
    owners.stepped(before, step);
    quarantines.stepped(before, step, settlement);
  });
  steps.onStep((_, before, step) => memory.stepped(before, step));

  books.onBegunAnew(() => void tellAnew({ fleet, signals, journal, clock }));
  await recover({ fleet, store, queue, guests, clock, log });
  await quarantines.load();
  await memory.load();
  const aliveAtMs = books.seenToMs;
  if (aliveAtMs !== null) journal.write({ type: "outage", atMs: clock.wallMs(), sinceMs: aliveAtMs });
  journal.write({ type: "alive", atMs: clock.wallMs() });

  const snapshots = new Snapshots({
    fleet,
    signals,
    owners,
    forecaster,
    breaker,
    meetings,
    tenants,
    memory,
    settings,
    clock,
  });
  const cycleSettings = {
    fitChanceMin: settings.forecast.fitChanceMin,
    evictionPenaltyMs: settings.forecast.evictionPenaltyMs,
    pausePenaltyMs: settings.forecast.resumeIdleMsMin,
    checkpointIntervalMs: settings.guest.checkpointIntervalMs,
    horizonMs: settings.forecast.horizonMs,
    tickMs: settings.telemetry.sampleIntervalMs,
  };
  const kept = keptDecisions({ dataDir, settings, release: options.version, clock, log, metrics });
  const decider = createDecider({ workerAboveDevices, settings: cycleSettings, kept });
  const cycle = new Cycle({
    fleet,
    queue,
    store,
    stream,
    signals,
    snapshots,
    decider,
    forecaster,
    steps,
    guests,
    tenants,
    memory,
    journal,
    reign,
    settings,
    clock,
    log,
    metrics,
  });
  const wake = () => cycle.wake();
  steps.onEnded(wake);
  const lookForStrays = () => cycle.lookForStrays();
  steps.onStray(lookForStrays);
  // Whoever was away may have come back older.
  redis.on("ready", lookForStrays);
  const logs = new LogReads();
  const agents = new Agents({
    fleet,
    steps,
    orders,
    owners,
    signals,
    quarantines,
    memory,
    logs,
    settings,
    clock,
    log,
    metrics,
    reign,
    endedAmong: (ids) => endedAmong(ids, { store, queue, clock }),
    wake,
  });

  const stopping = new AbortController();
  let ready = false;
  const api = await startApiServer({
    listen: settings.listen.apiAddress,
    desks: {
      guests: new Guests({ fleet, queue, store, orders, changes, logs, tenants, cycle, decider, clock, log }),
      owners: new Owners({ fleet, recalls, signals, watch: owners, clock, log, wake }),
      reports: new Reports({ fleet, queue, books, journal, steps, forecaster, reign, clock }),
      agents,
    },
    settings,
    logger: log,
    metrics,
    serving: () => ready,
  });
  const http = await startHttp({
    address: settings.listen.httpAddress,
    registry: metrics.registry,
    notReady: () =>
      ready ? books.problem : reign.lost.aborted ? `${reign.lost.reason}` : "reading the books",
    log,
  });

  const every = (ms: number, task: () => unknown, what: string) =>
    repeat(ms, task, what, clock, log, stopping.signal);
  const running = [
    cycle.run(stopping.signal),
    every(
      settings.ledger.aliveIntervalMs,
      () => journal.write({ type: "alive", atMs: clock.wallMs() }),
      "alive",
    ),
    every(settings.queue.lockRenewMs, () => queue.renewLocks(), "renewing the queue's locks"),
    every(settings.queue.lockRenewMs, () => queue.reconcile(), "putting the queue in order"),
    every(
      settings.terms.renewIntervalMs,
      () => renewInBooks({ fleet, store, log, lookForStrays }),
      "renewing leases in the books",
    ),
    every(settings.terms.renewIntervalMs, () => tenants.save(), "saving tenants' use"),
    every(
      1_000,
      () => {
        quarantines.expire();
        expireLeases({ fleet, steps, settings, clock, log, spec: (id) => guests.specOf(id) });
      },
      "looking after leases",
    ),
    every(1_000, () => memory.flush(), "booking memory that was given back"),
    every(gaugesMs, () => setGauges({ fleet, queue, books, stream, clock, metrics }), "setting the gauges"),
  ];
  ready = true;
  log.info(
    { api: api.address, http: http.address, epoch: reign.epoch, zone: settings.zone },
    `controller serves on ${api.address}`,
  );

  let closing: Promise<void> | null = null;
  const closeApi = (why?: GleanerError) => {
    recalls.close();
    return (closing ??= api.close(apiGraceMs, why));
  };
  const stepDown = () => {
    const why = asGleanerError(reign.lost.reason);
    log.error({ err: why }, `the lead is lost, and this controller ends: ${why.message}`);
    ready = false;
    stopping.abort();
    steps.stop();
    void closeApi(why);
  };
  if (reign.lost.aborted) stepDown();
  else reign.lost.addEventListener("abort", stepDown, { once: true });

  return {
    apiAddress: api.address,
    httpAddress: http.address,
    lost: reign.lost,
    async stop() {
      ready = false;
      stopping.abort();
      await Promise.all(running);
      await closeApi();
      await steps.close();
      // What Redis does not take now is a little of the tenants' past; everything else is closed all the same.
      if (!reign.lost.aborted)
        await tenants.save().catch((err: unknown) => log.warn({ err }, "tenants' use was not saved"));
      await journal.close();
      await books.close();
      await decider.close();
      await queue.close();
      await http.close();
      redis.disconnect();
    },
    debugDump: () => ({
      epoch: reign.epoch,
      generation: reign.generation,
      agents: [...fleet.agents.keys()],
      devices: fleet.devices.size,
      leases: [...fleet.leases.values()].map(({ lease }) => lease),
      holds: signals.holds(),
      waiting: queue.waitingTotal(),
    }),
  };
}

/** Repeats a duty until the signal aborts; a failure is logged and the next turn tries again. */
async function repeat(
  ms: number,
  task: () => unknown,
  what: string,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(ms, signal);
    if (signal.aborted) return;
    try {
      await task();
    } catch (thrown) {
      log.warn({ err: thrown }, `${what} failed; trying again in ${ms} ms`);
    }
  }
}
