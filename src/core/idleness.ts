import type { Idleness, OwnerState, Sample } from "./device.ts";

/** What must be known beside a sample to judge it. */
export interface SampleContext {
  readonly nowMs: number;
  /** A sample older than this says nothing. */
  readonly staleMs: number;
  /** A guest is on the device. */
  readonly leased: boolean;
}

/** The clocks of a process and of a source that converts ages may differ by this, not by more. */
const aheadMsMax = 1_000;

/** Memory that moves by more than this while nothing computes is the owner's hand: 77 % of the next ticks are busy. */
const memoryStepMib = 512;

/**
 * What one sample says of the owner. Any utilisation above 0 is the owner: it is an average over a window, so the owner is
 * already there. One busy signal is enough, whatever the others say; idle needs a utilisation that was read and is 0, and no
 * signal that is broken. Engine-active at 0 proves nothing, since it may read 0 under full load (dcgm-exporter#662).
 */
export function classify(sample: Sample | null, { nowMs, staleMs, leased }: SampleContext): Idleness {
  if (sample === null) return unknown("no_sample");
  const ageMs = nowMs - sample.atMs;
  if (!(ageMs >= -aheadMsMax)) return unknown("time_contradictory");
  if (!(ageMs <= staleMs)) return unknown("stale");
  // The guest's own work fills every signal; the owner of such a pool has promised to call.
  if (leased && sample.attribution === "device") return { state: "idle", reason: "guest_on_device" };

  const util = read(sample.utilPct, 100);
  const engine = read(sample.engineActiveRatio, 1);
  if (util === "busy") return { state: "busy", reason: "util_above_zero" };
  if (engine === "busy") return { state: "busy", reason: "engine_active" };
  if (util === "missing") return unknown("util_missing");
  if (util === "broken") return unknown("util_malformed");
  if (engine === "broken") return unknown("engine_malformed");
  if (isBrokenCount(sample.memoryUsedMib) || isBrokenCount(sample.memoryFreeMib))
    return unknown("memory_malformed");
  if (isBrokenCount(sample.ownerProcesses)) return unknown("processes_malformed");
  return { state: "idle", reason: "all_signals_zero" };
}

function unknown(reason: string): Idleness {
  return { state: "unknown", reason };
}

function read(value: number | null, most: number): "busy" | "zero" | "missing" | "broken" {
  if (value === null) return "missing";
  if (!(value >= 0 && value <= most)) return "broken";
  return value > 0 ? "busy" : "zero";
}

function isBrokenCount(value: number | null): boolean {
  return value !== null && !(value >= 0 && value < Infinity);
}

/** The owner's state and since when it is so. */
export interface OwnerView extends Idleness {
  readonly sinceMs: number;
}

/** Follows the owner of one device from sample to sample, in a few words of memory; keeps no history. */
export class OwnerTracker {
  #state: OwnerState = "unknown";
  #reason = "no_sample";
  #sinceMs = 0;
  #lastAtMs = -Infinity;
  #staleMs = Infinity;
  /** Memory when the device was last seen at work; what it is compared with while idle, so that creeping shows too. */
  #memoryMib: number | null = null;

  /** Takes a sample in. One that is older than what is known, or of the same time as a busy one, changes nothing. */
  observe(sample: Sample, context: SampleContext): OwnerView {
    const { atMs } = sample;
    const seen = classify(sample, context);
    const isNewer = atMs > this.#lastAtMs || (atMs === this.#lastAtMs && this.#state !== "busy");
    if (isNewer && seen.reason !== "time_contradictory") {
      const found = this.#withMemory(sample, seen);
      if (this.at(atMs).state !== found.state) this.#sinceMs = atMs;
      this.#state = found.state;
      this.#reason = found.reason;
      this.#lastAtMs = atMs;
      this.#staleMs = context.staleMs;
    }
    return this.at(context.nowMs);
  }

  /** The state at a time after the last sample: it goes stale by itself. */
  at(nowMs: number): OwnerView {
    const staleAtMs = this.#lastAtMs + this.#staleMs;
    if (nowMs > staleAtMs) return { state: "unknown", reason: "stale", sinceMs: staleAtMs };
    return { state: this.#state, reason: this.#reason, sinceMs: this.#sinceMs };
  }

  /** How long the owner has been idle without a gap, ms; 0 where the owner is not known to be idle. */
  ageMs(nowMs: number): number {
    const { state, sinceMs } = this.at(nowMs);
    return state === "idle" ? Math.max(0, nowMs - sinceMs) : 0;
  }

  #withMemory({ memoryUsedMib }: Sample, seen: Idleness): Idleness {
    if (seen.reason === "guest_on_device") {
      this.#memoryMib = null;
      return seen;
    }
    if (memoryUsedMib === null || isBrokenCount(memoryUsedMib)) return seen;
    const stepMib = Math.abs(memoryUsedMib - (this.#memoryMib ?? memoryUsedMib));
    if (seen.state === "idle" && stepMib <= memoryStepMib) {
      this.#memoryMib ??= memoryUsedMib;
      return seen;
    }
    if (seen.state !== "unknown") this.#memoryMib = memoryUsedMib;
    return seen.state === "idle" ? { state: "busy", reason: "memory_step" } : seen;
  }
}
