import type { Redis } from "ioredis";
import type { Desks } from "../api/server.ts";
import { type Settings, unheardMs } from "../config/settings.ts";
import { Breaker } from "../core/breaker.ts";
import { MeetingsMeter } from "../core/meetings-meter.ts";
import type { GuestQueue } from "../queue/guest-queue.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/log.ts";
import type { LeaseStore } from "../store/lease-store.ts";
import { LedgerStream } from "../store/ledger-stream.ts";
import { OwnerStore } from "../store/owner-store.ts";
import { TenantUsage } from "../store/tenant-usage.ts";
import { Agents } from "./agents.ts";
import { Cycle } from "./cycle.ts";
import { dumpOf } from "./debug-dump.ts";
import { endedAmong } from "./ended-guests.ts";
import { Fleet } from "./fleet.ts";
import { GuestChanges } from "./guest-book.ts";
import { setGauges } from "./gauges.ts";
import { GuestMoves } from "./guest-moves.ts";
import { Guests } from "./guest-desk.ts";
import { Journal } from "./journal.ts";
import { LeaseOrders } from "./lease-orders.ts";
import { LeaseSteps } from "./lease-steps.ts";
import { LendingWatch } from "./lending-watch.ts";
import type { OwnerForecast } from "./owner-forecast.ts";
import { LiveGuests } from "./live-guests.ts";
import { LogReads } from "./log-reads.ts";
import { MemoryProofs } from "./memory-proofs.ts";
import { Owners } from "./owner-desk.ts";
import { OwnerSignals } from "./owner-signals.ts";
import { OwnerWatch } from "./owner-watch.ts";
import { PoolReserves } from "./pool-reserves.ts";
import { Quarantines } from "./quarantine.ts";
import { RecallTargets } from "./recall-targets.ts";
import { Recalls } from "./recalls.ts";
import { expireLeases, recover, renewInBooks } from "./recovery.ts";
import type { Reign } from "./reign.ts";
import { Reports } from "./report-desk.ts";
import { Snapshots } from "./snapshots.ts";
import type { StandbyFleet } from "./standby-fleet.ts";
import type { StandbyRecalls } from "./standby-recalls.ts";
import { TellAnew } from "./tell-anew.ts";
import { TenantUses } from "./tenant-uses.ts";
import type { Books, Surroundings } from "./surroundings.ts";

export interface LeaderParts {
  readonly redis: Redis;
  readonly store: LeaseStore;
  readonly reign: Reign;
  /** What was heard on standby. */
  readonly warm: StandbyFleet;
  readonly forecast: OwnerForecast;
  readonly passedOn: StandbyRecalls;
  readonly queue: GuestQueue;
  readonly books: Books;
  /** When a controller that led was last heard of in the ledger; null: never. */
  readonly aliveAtMs: number | null;
  readonly surroundings: Surroundings;
  readonly settings: Settings;
  readonly log: Logger;
}

export interface Leader {
  readonly desks: Desks;
  readonly epoch: number;
  /** Aborts when another leads, with LEADERSHIP_LOST as its reason. */
  readonly lost: AbortSignal;
  /** Begins to decide. */
  run(): void;
  /** It is about to stop: nothing more is lent, while calls and steps under way still end. */
  drain(): void;
  /** Another leads: nothing is commanded or acknowledged from now on. */
  stepDown(): void;
  /** Ends what owners follow here: they ask again elsewhere. */
  closeRecalls(): void;
  stop(): Promise<void>;
  debugDump(): object;
}

/** How fresh the gauges of /metrics are; scrapes are further apart. */
const gaugesMs = 5_000;

/** Takes the lead: reads the books, takes up what runs, and has everything ready to serve and to decide. */
export async function takeTheLead(parts: LeaderParts): Promise<Leader> {
  const { redis, store, reign, warm, forecast, passedOn, queue, books, surroundings, settings, log } = parts;
  const { clock, metrics } = surroundings;
  const stream = new LedgerStream(redis, settings.zone, settings.ledger, log);
  const journal = new Journal(stream, clock, log);

  const fleet = new Fleet(new Map([...warm.devices].map(([uuid, { tracker }]) => [uuid, tracker])));
  const signals = new OwnerSignals(new OwnerStore(redis, settings.zone, log), clock, settings);
  await signals.load();
  const tenants = new TenantUses({
    fleet,
    usage: new TenantUsage(redis, settings.zone, settings.fairShare, log),
    clock,
    settings: settings.fairShare,
  });
  await tenants.load();
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
    forecast,
    breaker,
    meetings,
    settings,
    clock,
    metrics,
  });
  const lending = new LendingWatch({ fleet, signals, guests, forecast, settings, clock });
  const moves = new GuestMoves({ fleet, signals, forecast, guests, settings, clock, log, metrics });
  const reserves = new PoolReserves({ fleet, signals, moves, books, settings, clock, log });
  const orders = new LeaseOrders(fleet, clock);
  const recalls = new Recalls({
    fleet,
    orders,
    signals,
    targets: new RecallTargets({ fleet, guests, signals, clock, settings: settings.recall }),
    journal,
    clock,
    log,
    metrics,
    newId: () => surroundings.newId(),
    settings: settings.recall,
  });
  steps.onStep((live, before, step, settlement) => {
    recalls.stepped(before, step);
    owners.stepped(before, step);
    quarantines.stepped(before, step, settlement);
    lending.stepped(live, before, step, settlement);
    reserves.stepped(before, step);
  });
  steps.onStep((_, before, step) => memory.stepped(before, step));

  // A recall must find its devices before their agents are back.
  for (const { info } of warm.devices.values()) owners.addDevice(info);
  await recover({ fleet, store, queue, guests, clock, log });
  await quarantines.load();
  await memory.load();
  const tellAnew = new TellAnew({ fleet, signals, stream, journal, clock });
  await tellAnew.look();
  const { aliveAtMs } = parts;
  if (aliveAtMs !== null) journal.write({ type: "outage", atMs: clock.wallMs(), sinceMs: aliveAtMs });
  journal.write({ type: "alive", atMs: clock.wallMs() });

  await forecast.follow(lending);
  const snapshots = new Snapshots({
    fleet,
    signals,
    owners,
    forecast,
    breaker,
    meetings,
    reserves,
    tenants,
    memory,
    settings,
    clock,
  });
  const cycleSettings = {
    fitChanceMin: settings.forecast.fitChanceMin,
    evictionPenaltyMs: settings.forecast.evictionPenaltyMs,
    pausePenaltyMs: settings.forecast.resumeIdleMsMin,
    unheardMs: unheardMs(settings),
    horizonMs: settings.forecast.horizonMs,
  };
  const decider = surroundings.createDecider(cycleSettings);
  const cycle = new Cycle({
    fleet,
    queue,
    store,
    stream,
    signals,
    snapshots,
    decider,
    forecast,
    moves,
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
    warm,
    passedOn,
    endedAmong: (ids) => endedAmong(ids, { store, queue, clock }),
    onOlder: () => cycle.waitForForgotten(),
    wake,
  });

  const stopping = new AbortController();
  const every = (ms: number, task: () => unknown, what: string) =>
    repeat(ms, task, what, clock, log, stopping.signal);
  const run = () => [
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
      () => renewInBooks({ fleet, store, reign, log, lookForStrays }),
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
    every(settings.telemetry.sampleIntervalMs, () => reserves.tick(), "weighing pools' reserves"),
    every(1_000, () => reserves.learn(stopping.signal), "learning pools' past from the books"),
    every(1_000, () => memory.flush(), "booking memory that was given back"),
    every(1_000, () => tellAnew.look(), "telling books that begin what stands"),
    every(
      gaugesMs,
      () => setGauges({ fleet, queue, books, stream, forecast, clock, metrics }),
      "setting the gauges",
    ),
  ];
  let running: readonly Promise<void>[] = [];
  return {
    desks: {
      guests: new Guests({ fleet, queue, store, orders, changes, logs, tenants, cycle, decider, clock, log }),
      owners: new Owners({ fleet, recalls, signals, watch: owners, clock, log, wake }),
      reports: new Reports({ fleet, queue, books, journal, steps, forecast, signals, reign, clock }),
      agents,
    },
    epoch: reign.epoch,
    lost: reign.lost,
    run: () => {
      running = run();
    },
    drain: () => stopping.abort(),
    stepDown: () => {
      stopping.abort();
      steps.stop();
    },
    closeRecalls: () => recalls.close(),
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
      await steps.close();
      // What Redis does not take now is a little of the tenants' past; everything else is closed all the same.
      if (!reign.lost.aborted)
        await tenants.save().catch((err: unknown) => log.warn({ err }, "tenants' use was not saved"));
      await journal.close();
      await decider.close();
    },
    debugDump: () =>
      dumpOf({ fleet, signals, queue, steps, journal, changes, recalls, logs, books, reign, clock }),
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
