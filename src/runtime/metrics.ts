import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** From a millisecond, where a local freeze lies, up to the longest usual deadlines. */
const recallBucketsS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];
const cycleBucketsS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export type Metrics = ReturnType<typeof createMetrics>;

/**
 * One registry a process, handed on and never global. Labels are pools, states and codes only: a device's or a guest's id
 * as a label would make as many series as there are devices.
 */
export function createMetrics(build: { readonly version: string; readonly withProcess?: boolean }) {
  const registry = new Registry();
  if (build.withProcess !== false) collectDefaultMetrics({ register: registry });
  const registers = [registry];

  const buildInfo = new Gauge({
    name: "gleaner_build_info",
    help: "Always 1; the labels say what runs.",
    labelNames: ["version", "node"],
    registers,
  });
  buildInfo.set({ version: build.version, node: process.version }, 1);

  return {
    registry,
    recallSeconds: new Histogram({
      name: "gleaner_recall_seconds",
      help: "From an owner's recall reaching Gleaner to the stage, for each device.",
      labelNames: ["pool", "rung", "stage"] as const,
      buckets: recallBucketsS,
      registers,
    }),
    ownerWaitSeconds: new Histogram({
      name: "gleaner_owner_wait_seconds",
      help: "From an owner's signal of any kind to the stage: compute frozen, or device released.",
      labelNames: ["pool", "stage"] as const,
      buckets: recallBucketsS,
      registers,
    }),
    devices: new Gauge({
      name: "gleaner_devices",
      help: "Devices by what they do now; a device that is lent in shares counts by its shares.",
      labelNames: ["pool", "category"] as const,
      registers,
    }),
    guests: new Gauge({
      name: "gleaner_guests",
      help: "Guests by state.",
      labelNames: ["state"] as const,
      registers,
    }),
    leases: new Counter({
      name: "gleaner_leases_total",
      help: "Leases ended, by outcome.",
      labelNames: ["pool", "outcome"] as const,
      registers,
    }),
    evictions: new Counter({
      name: "gleaner_evictions_total",
      help: "Leases ended by somebody else than the guest, by who moved them.",
      labelNames: ["pool", "mover"] as const,
      registers,
    }),
    meetings: new Counter({
      name: "gleaner_meetings_total",
      help: "Owners' returns that found a guest on the device.",
      labelNames: ["pool"] as const,
      registers,
    }),
    earlyMoves: new Counter({
      name: "gleaner_early_moves_total",
      help: "Guests that were told to stand still or to leave before an owner came, by pool and move.",
      labelNames: ["pool", "move"] as const,
      registers,
    }),
    forecastSaid: new Gauge({
      name: "gleaner_forecast_said_ratio",
      help: "Mean chance that the forecast said of owners' returns within the horizon, over the last day.",
      labelNames: ["horizon_s"] as const,
      registers,
    }),
    forecastCame: new Gauge({
      name: "gleaner_forecast_came_ratio",
      help: "Share of the same idle devices whose owners did return within the horizon, over the last day.",
      labelNames: ["horizon_s"] as const,
      registers,
    }),
    cycleSeconds: new Histogram({
      name: "gleaner_cycle_seconds",
      help: "Duration of one decision cycle.",
      buckets: cycleBucketsS,
      registers,
    }),
    decisionJournalOn: new Gauge({
      name: "gleaner_decision_journal_on",
      help: "1: decisions are journalled; 0: a setting or a failing disk keeps them from it.",
      registers,
    }),
    decisionCycles: new Counter({
      name: "gleaner_decision_cycles_total",
      help: "Cycles for the journal of decisions: kept, or missed where the disk is too slow.",
      labelNames: ["journal"] as const,
      registers,
    }),
    lends: new Counter({ name: "gleaner_lends_total", help: "Leases granted.", registers }),
    lendRefused: new Counter({
      name: "gleaner_lend_refused_total",
      help: "Lends that the live state refused after the decision, by reason.",
      labelNames: ["reason"] as const,
      registers,
    }),
    agentsConnected: new Gauge({
      name: "gleaner_agents_connected",
      help: "Agents with a live stream.",
      registers,
    }),
    samples: new Counter({
      name: "gleaner_samples_total",
      help: "Samples taken in, by what they said of the owner.",
      labelNames: ["state"] as const,
      registers,
    }),
    ledgerStreamEntries: new Gauge({
      name: "gleaner_ledger_stream_entries",
      help: "Ledger entries in Redis that are not yet in the books.",
      registers,
    }),
    rpcs: new Counter({
      name: "gleaner_rpcs_total",
      help: "gRPC calls ended, by method and status.",
      labelNames: ["method", "status"] as const,
      registers,
    }),
    queueWaiting: new Gauge({
      name: "gleaner_queue_waiting",
      help: "Guests that wait in the queue.",
      registers,
    }),
  };
}
